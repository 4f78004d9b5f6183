"""``runnerctl rehearse``: what it proves, what it finds wrong with which cause, and that nothing stays behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from runnerctl import core
from runnerctl.core.host import job_traces, user_processes
from runnerctl.rehearsal.place import Place
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, create, until
from tests.support.hosts.isolated import RUN_AS, USERS, open_archive, open_top
from tests.support.hosts.refused import tmpfs
from tests.support.sandboxes.packages import with_program
from tests.support.sandboxes.strictness import strict_sandbox

__all__ = ["open_archive", "open_top"]

pytestmark = pytest.mark.long

QUICK = {"STANDIN_PACE": "0.1"}
NOWHERE = {"GITHUB_API_URL": "http://127.0.0.1:9", "GITHUB_SERVER_URL": "http://127.0.0.1:9"}
"""No package can be had from there."""
CONCLUDED = ("start", "job", "failing job", "cancelled job", "drain", "clean-up")
NO_ICU = """#!/bin/sh
cat >&2 <<'END'
Process terminated. Couldn't find a valid ICU package installed on the system. Please install libicu \
(or icu-libs) using your package manager and try again. Alternatively you can set the configuration flag \
System.Globalization.Invariant to true if you want to run with no globalization support. Please see \
https://aka.ms/dotnet-missing-libicu for more information.
   at System.Environment.FailFast(System.String)
   at System.Globalization.GlobalizationMode+Settings..cctor()
   at System.Globalization.CultureData.CreateCultureWithInvariantData()
END
kill -ABRT $$
"""
"""The Listener of .NET 8 on a host without libicu."""


class Open(Host):
    """Its packages are where they are by default, and every user may pass."""


@pytest.fixture
def sandbox(open_archive: Path) -> Iterator[Sandbox]:
    """The GitHub of the operator; its runner can be run by every user."""
    with strict_sandbox(archive=open_archive) as running:
        yield running


@pytest.fixture
def operator(as_root: None, open_top: Path, sandbox: Sandbox) -> Iterator[Open]:
    host = Open(
        top=open_top,
        package_dir=open_top / "runners" / ".packages",
        github=sandbox.environment(),
        token="a-token-of-the-operator",
    )
    host.write_env_file()
    yield host
    host.kill_everything()
    for uid in USERS:
        user_processes.kill_all((uid, uid), seconds=5)
        job_traces.clear(uid)


def rehearse(host: Host, *argv: str, job_env: Mapping[str, str] = QUICK, **settings: str) -> tuple[int, Any]:
    host.write_env_file(RUNNERCTL_JOB_ENV=json.dumps(dict(job_env)), **settings)
    done = subprocess.run(
        [sys.executable, "-m", "runnerctl", "--output", "json", "rehearse", *argv],
        env=host.environment(),
        cwd=host.top,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def begun(host: Host, *, until_it_says: str) -> subprocess.Popen[str]:
    host.write_env_file(RUNNERCTL_JOB_ENV=json.dumps(QUICK))
    process = subprocess.Popen(
        [sys.executable, "-m", "runnerctl", "rehearse", "--stand-in"],
        env=host.environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    while until_it_says not in process.stderr.readline():
        assert process.poll() is None
    return process


def errors(report: Any) -> dict[str, str]:
    return {
        each["check"]: f"{each['message']} | {each['hint']}" for each in report["items"] if each["level"] == "error"
    }


def messages(report: Any) -> list[str]:
    return [each["message"] for each in report["items"]]


def levels(report: Any, level: str) -> list[str]:
    return [each["check"] for each in report["items"] if each["level"] == level]


def there(top: Path) -> list[str]:
    """All but what a rehearsal is told by."""
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.name != "runnerctl.env")


PROVED = {*CONCLUDED, "persistent", "secrets", "neighbours", "network", "variables"}


@pytest.mark.persistent
def test_a_host_is_proved_with_jobs_of_every_kind_and_nothing_stays_behind(
    landlock: None, operator: Open, sandbox: Sandbox
) -> None:
    status, report = rehearse(operator, "--stand-in")
    assert (status, errors(report), levels(report, "skipped")) == (0, {}, [])
    assert set(levels(report, "ok")) >= PROVED
    assert "Jobs run as root, the same user as runnerctl" in messages(report)
    assert 1e6 < report["memory_bytes"] < 1e9
    assert report["left"] == []
    assert there(operator.top) == []
    assert (sandbox.calls, operator.processes()) == ([], [])


@pytest.mark.persistent
def test_runners_that_are_here_are_left_alone_their_users_too_and_their_package_is_used(
    operator: Open, sandbox: Sandbox
) -> None:
    services = operator.services(RUNNERCTL_RUN_AS=RUN_AS)
    ours = create(services, operator.spec("ours"), wait=core.Wait.ONLINE)
    before, calls = there(operator.top), len(sandbox.calls)
    pids = core.routed.processes(services, ours)
    status, report = rehearse(operator, RUNNERCTL_RUN_AS=RUN_AS, RUNNERCTL_LIMITS_PROCESSES="300")
    assert (status, errors(report), levels(report, "skipped")) == (0, {}, [])
    assert set(levels(report, "ok")) >= PROVED
    assert "The kernel enforces limits.processes" in messages(report)
    assert f"Jobs run as user {USERS[1]}" in messages(report)
    assert report["package"]["source"] == f"unpacked in {operator.package_dir}"
    assert core.routed.processes(services, ours) == pids
    assert core.routed.observe(services, ours).running
    assert len(sandbox.calls) == calls
    assert [each for each in there(operator.top) if each not in before and ".locks" not in each] == []
    services.close()


# --- What is wrong is told with its cause ---


def shut(host: Open) -> dict[str, str]:
    (host.top / "shut").mkdir(mode=0o711)
    return {"GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": f"{host.top}/shut/runners", "RUNNERCTL_RUN_AS": RUN_AS}


def readable_key(host: Open) -> dict[str, str]:
    key = host.top / "app.pem"
    key.write_text("a key")
    key.chmod(0o644)
    return {
        "GITHUB_APP_PRIVATE_KEY_FILE": str(key),
        "GITHUB_APP_PRIVATE_KEY_B64": "",
        "RUNNERCTL_RUN_AS": RUN_AS,
    }


NO_PROXY = {
    "HTTPS_PROXY": "http://me:secret@127.0.0.1:9",
    "GITHUB_API_URL": "https://api.github.com",
    "GITHUB_SERVER_URL": "https://github.com",
}
"""Nobody is asked: it takes no connections."""


def test_a_directory_that_jobs_cannot_list_is_the_cause_of_all_that_is_not_tried(operator: Open) -> None:
    status, report = rehearse(operator, "--stand-in", **shut(operator))
    assert status == 1
    assert f"cannot list '{operator.top}/shut' (mode 0711, owner root)" in errors(report)["directories"]
    assert f"chmod o+rx {operator.top}/shut" in errors(report)["directories"]
    assert set(levels(report, "skipped")) >= {"start", "job", "persistent"}
    assert there(operator.top) == ["shut"]


def test_a_key_that_jobs_can_read_and_a_proxy_that_refuses_are_told_each_with_its_cause(operator: Open) -> None:
    status, report = rehearse(operator, "--stand-in", **readable_key(operator), **NO_PROXY)
    told = errors(report)
    assert (status, set(told)) == (1, {"secrets", "proxy"})
    key = operator.top / "app.pem"
    assert f"'{key}' holds secrets and is world-readable" in " ".join(messages(report))
    assert told["secrets"] == f"A job can read '{key}': mode 0644 lets everybody | chmod o= {key}"
    assert "The proxy 127.0.0.1:9 takes no connections" in told["proxy"]
    assert "correct HTTPS_PROXY" in told["proxy"]
    assert "secret@" not in json.dumps(report)
    assert there(operator.top) == ["app.pem"]


def test_a_file_system_that_runs_no_programs_is_the_cause_of_all_that_is_not_tried(operator: Open) -> None:
    with tmpfs(operator.top / "noexec", "noexec,mode=755"):
        base_dir = operator.top / "noexec" / "runners"
        status, report = rehearse(operator, "--stand-in", GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR=str(base_dir))
    assert status == 1
    assert f"'{operator.top}/noexec' is mounted noexec" in errors(report)["directories"]
    assert "mount -o remount,exec" in errors(report)["directories"]
    tried = [each for each in report["items"] if each["check"] in CONCLUDED]
    assert {each["message"] for each in tried} == {"Not tried: directories failed"}


def test_a_package_that_lacks_libicu_is_told_so(operator: Open, archive: Path, tmp_path: Path) -> None:
    package = with_program(archive, "bin/Runner.Listener", NO_ICU, tmp_path / "actions-runner-linux-x64-2.336.0.tar.gz")
    status, report = rehearse(operator, "--package", str(package))
    assert status == 1
    assert "libicu is missing" in errors(report)["start"]
    assert "apt-get install" in errors(report)["start"] or "installdependencies.sh" in errors(report)["start"]
    assert set(CONCLUDED) - {"start", "clean-up"} <= set(levels(report, "skipped"))
    assert there(operator.top) == []


def test_a_hook_that_fails_every_job_is_named_with_its_last_words(operator: Open) -> None:
    """Also where it is run by a script of ours."""
    hook = operator.top / "before.sh"
    hook.write_text("echo the cache disk is gone\nexit 3\n")
    job_env = {**QUICK, "ACTIONS_RUNNER_HOOK_JOB_STARTED": str(hook)}
    status, report = rehearse(operator, "--stand-in", job_env=job_env, RUNNERCTL_FORK_GUARD="true")
    assert status == 1
    assert set(errors(report)) == {"job"}
    assert f"ACTIONS_RUNNER_HOOK_JOB_STARTED names '{hook}', which fails every job" in errors(report)["job"]
    assert "the cache disk is gone" in errors(report)["job"]
    assert "cancelled job" in levels(report, "skipped")
    assert there(operator.top) == ["before.sh"]


# --- What cannot be tried, and what is broken off ---


def test_without_a_package_it_cannot_be_tried(operator: Open) -> None:
    status, report = rehearse(operator, **NOWHERE)
    assert (status, report["error"]["code"]) == (2, "config_invalid")
    assert "No runner package is at hand" in report["error"]["message"]
    assert "--stand-in" in report["error"]["hint"]
    assert there(operator.top) == []


def test_two_packages_are_one_too_many(operator: Open) -> None:
    status, report = rehearse(operator, "--stand-in", "--package", "2.336.0")
    assert (status, report["error"]["code"]) == (2, "invalid_request")


def test_where_all_users_of_jobs_are_busy_it_cannot_be_tried(operator: Open) -> None:
    sleeping = subprocess.Popen(["/bin/sleep", "60"], user=USERS[0], group=USERS[0], extra_groups=())
    try:
        status, report = rehearse(operator, "--stand-in", RUNNERCTL_RUN_AS=str(USERS[0]))
    finally:
        sleeping.kill()
        sleeping.wait()
    assert (status, report["error"]["message"]) == (2, "All users of run_as are in use")
    assert there(operator.top) == []


def test_broken_off_in_a_job_it_clears_all_that_it_made_however_often_it_is_interrupted(operator: Open) -> None:
    process = begun(operator, until_it_says="A job is cancelled")
    until(lambda: len(list(operator.base_dir.glob("rehearse-*"))) == 1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
        process.send_signal(number)
        time.sleep(0.1)  # each is one of its own
    said = process.communicate()[1]
    assert (process.returncode, said.splitlines()[-1]) == (130, "Error: Interrupted")
    assert there(operator.top) == []


def test_what_a_rehearsal_that_was_killed_left_is_cleared_by_the_next_one_and_its_runners_end(operator: Open) -> None:
    process = begun(operator, until_it_says="A job runs and looks around")
    process.kill()
    process.communicate()
    assert list(operator.base_dir.glob(".rehearsal-*"))
    status, report = rehearse(operator, **NOWHERE)
    assert (status, report["error"]["code"]) == (2, "config_invalid")
    assert there(operator.top) == ["runners", "runners/.trash"]
    until(lambda: not _marked_by(operator.base_dir))


def _marked_by(base_dir: Path) -> list[int]:
    """Whose command line names a path in there."""
    needle = f"{base_dir}/".encode()
    return [int(each.parent.name) for each in Path("/proc").glob("[0-9]*/cmdline") if needle in _text(each)]


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_two_rehearsals_at_once_leave_each_other_alone(operator: Open) -> None:
    process = begun(operator, until_it_says="A runner starts")
    status, _ = rehearse(operator, **NOWHERE)
    assert status == 2
    assert len(list(operator.base_dir.glob(".rehearsal-*"))) == 1
    process.send_signal(signal.SIGHUP)
    process.communicate()
    assert (process.returncode, there(operator.top)) == (130, [])


def test_what_cannot_be_cleared_is_said_with_what_clears_it(operator: Open) -> None:
    place = Place(operator.settings(), "abc123")
    place.make()
    with tmpfs(place.top / "mounted", "mode=755"):
        (left,) = place.clear(hooks=False)
    assert left.endswith(f"Delete it: rm -r {place.top}")
    assert str(place.top / "mounted") in left
    assert list(place.clear(hooks=False)) == []
    assert there(operator.top) == []


def test_a_package_for_another_processor_is_not_taken_for_this_hosts(operator: Open) -> None:
    """And nothing of the rehearsal's own gets into the operator's store."""
    other = "linux-arm64" if core.platform_of_machine() == "linux-x64" else "linux-x64"
    (operator.package_dir / f"2.400.0-{other}").mkdir(parents=True)
    status, report = rehearse(operator, **NOWHERE)
    assert (status, report["error"]["code"]) == (2, "config_invalid")
    assert "No runner package is at hand" in report["error"]["message"]
    assert [path.name for path in operator.package_dir.iterdir()] == [f"2.400.0-{other}"]
