"""``runnerctl doctor`` tells what is not as it should be, and touches nothing."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runnerctl.core.checks import FrontEnd, Level, Subject, findings
from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.host import runner_needs
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.front_ends.cli_running import cli
from tests.support.hosts.host import Host, Server, create, until

REQUESTED = "GET /app"


def found(host: Host, *argv: str, **variables: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit status, and of each check its worst finding: level and message."""
    ran = cli("--output", "json", "doctor", *argv, env=host.environment(**variables))
    worst: dict[str, tuple[str, str]] = {}
    for each in ran.document["items"]:
        if each["check"] not in worst or each["level"] != "ok":
            worst[each["check"]] = (each["level"], each["message"])
    return ran.status, worst


@pytest.mark.parametrize("front_end", [FrontEnd.DOCTOR, FrontEnd.OFFLINE, FrontEnd.SERVE])
def test_what_runners_lack_of_this_host_is_a_warning_with_its_package(host: Host, front_end: FrontEnd) -> None:
    lacking = runner_needs.missing(
        Path("/"), machine=os.uname().machine, glibc=runner_needs.own_glibc(), variables={}, needs_certificates=False
    )
    with closing(Services.for_reading(host.settings())) as services:
        told = [each for each in findings(front_end, Subject(services, offline=True)) if each.check == "libraries"]
    warned = [(each.message, each.hint) for each in told if each.level is Level.WARN]
    assert warned == [(each.message, each.hint) for each in lacking]
    assert len(told) == max(1, len(lacking))
    assert not any(each.stops_serve for each in told)


def all_found(host: Host, check: str, **variables: str) -> list[tuple[str, str]]:
    """Of one check."""
    host.write_env_file(**variables)
    items = cli("--output", "json", "doctor", "--offline", env=host.environment()).document["items"]
    return [(each["level"], each["message"]) for each in items if each["check"] == check]


def test_on_a_sound_host_nothing_is_an_error_and_nothing_is_made(host: Host, sandbox: Sandbox) -> None:
    status, worst = found(host)
    assert status == 0
    assert {level for level, _ in worst.values()} <= {"ok", "warning"}
    assert "as App 'runnerctl-sandbox'" in worst["github"][1]
    assert [f"{call.method} {call.path}" for call in sandbox.calls] == [REQUESTED]
    assert not host.state_dir.exists()
    assert not host.base_dir.exists()


def test_offline_github_is_not_asked(host: Host, sandbox: Sandbox) -> None:
    _, worst = found(host, "--offline")
    assert "github" not in worst
    assert sandbox.calls == []


def test_a_personal_access_token_is_tried_too(host: Host, sandbox: Sandbox) -> None:
    without_app = {"GITHUB_APP_ID": "", "GITHUB_APP_PRIVATE_KEY_B64": ""}
    for token, level in ((sandbox.pat, "ok"), ("ghp_" + "0" * 36, "error")):
        host.write_env_file(**without_app, GITHUB_PAT=token)
        status, worst = found(host)
        assert worst["github"][0] == level, worst
        assert status == (10 if level == "error" else 0)


def test_who_jobs_run_as_is_said_loudly(host: Host) -> None:
    level, message = found(host)[1]["jobs"]
    assert level == "warning"
    assert message.startswith("Degraded: Jobs run as ")


TROUBLE: dict[str, tuple[dict[str, str], str, str, str]] = {
    "a name that means nothing": ({"RUNNERCTL_STATEDIR": "/x"}, "settings", "warning", "RUNNERCTL_STATE_DIR"),
    "settings that do not fit": ({"RUNNERCTL_NO_NEW_PRIVS": "false"}, "settings", "error", "needs run_as"),
    "no key": ({"GITHUB_APP_PRIVATE_KEY_B64": ""}, "credentials", "error", "no private key"),
    "another App": ({"GITHUB_APP_ID": "1"}, "github", "error", "GitHub"),
    "nobody there": ({"GITHUB_API_URL": "http://127.0.0.1:9"}, "github", "error", "GitHub"),
    "no room": ({"RUNNERCTL_MIN_FREE_SPACE": "1000000G"}, "directories", "error", "min_free_space"),
    "limits that are not kept": ({"RUNNERCTL_LIMITS_IO_WEIGHT": "10"}, "jobs", "warning", "Degraded"),
}


def test_certificates_that_runners_cannot_read_are_named(host: Host, as_root: None) -> None:
    """They are behind the same proxy as runnerctl, and read the file as who they are."""
    (host.top / "state").mkdir(mode=0o700)
    for file, more, says in (
        (host.top / "state/ca.pem", {}, "Landlock keeps jobs from where it is"),
        (host.top / "ca.pem", {"RUNNERCTL_RUN_AS": "60999"}, "has mode 0"),
    ):
        file.touch(mode=0o600)
        host.write_env_file(SSL_CERT_FILE=str(file), **more)
        said = [each["message"] for each in host.cli_json("doctor", "--offline")["items"] if each["check"] == "jobs"]
        (one,) = [message for message in said if "read the certificates" in message]
        assert f"cannot read the certificates '{file}' (SSL_CERT_FILE)" in one
        assert says in one


def test_hooks_that_jobs_cannot_read_are_named(host: Host, as_root: None) -> None:
    """Beside the state of runners, which Landlock keeps from jobs; or below a directory that is shut to their users."""
    (host.top / "shut").mkdir(mode=0o700)
    for script, variables, why in (
        (host.state_dir / "before.sh", {}, "Landlock keeps jobs from where it is"),
        (host.top / "shut" / "before.sh", {"RUNNERCTL_RUN_AS": "60001"}, "has mode 0700"),
    ):
        script.parent.mkdir(mode=0o700, exist_ok=True)
        script.write_text("true\n")
        hooks = json.dumps({"ACTIONS_RUNNER_HOOK_JOB_STARTED": str(script)})
        said = " ".join(message for _, message in all_found(host, "jobs", RUNNERCTL_JOB_ENV=hooks, **variables))
        assert f"names '{script}', which jobs cannot read: " in said
        assert why in said


def test_of_a_hook_that_jobs_can_read_nothing_is_said(host: Host) -> None:
    script = host.top / "before.sh"
    script.write_text("true\n")
    hooks = json.dumps({"ACTIONS_RUNNER_HOOK_JOB_STARTED": str(script)})
    assert "cannot read" not in str(all_found(host, "jobs", RUNNERCTL_JOB_ENV=hooks))


def test_of_certificates_that_they_can_read_nothing_is_said(host: Host) -> None:
    host.write_env_file(SSL_CERT_FILE="/etc/hosts")
    assert not [
        each for each in host.cli_json("doctor", "--offline")["items"] if "read the certificates" in each["message"]
    ]


@pytest.mark.parametrize(("changes", "check", "level", "says"), TROUBLE.values(), ids=TROUBLE)
def test_trouble_is_found_by_its_check(host: Host, changes: dict[str, str], check: str, level: str, says: str) -> None:
    host.write_env_file(**changes)
    status, worst = found(host, RUNNERCTL_GITHUB_TIMEOUT="1s")
    assert worst[check][0] == level, worst
    assert says in worst[check][1]
    assert status == (10 if level == "error" else 0)


def test_secrets_that_everybody_reads_are_an_error_here_and_a_warning_of_the_server(
    host: Host, serve: Callable[..., Server]
) -> None:
    host.env_file.chmod(0o644)
    status, worst = found(host)
    assert (status, worst["secrets"][0]) == (10, "error")
    assert str(host.env_file) in worst["secrets"][1]
    log = serve().log
    until(lambda: f"'{host.env_file}' holds secrets and is world-readable" in log.read_text())
    host.env_file.chmod(0o640)
    assert found(host)[0] == 0


def test_a_key_file_that_everybody_reads_is_found(host: Host, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(base64.b64decode(host.github["GITHUB_APP_PRIVATE_KEY_B64"]))
    key.chmod(0o644)
    host.write_env_file(GITHUB_APP_PRIVATE_KEY_B64="", GITHUB_APP_PRIVATE_KEY_FILE=str(key))
    assert str(key) in found(host)[1]["secrets"][1]


def test_what_a_server_would_not_start_with_is_marked_so(host: Host) -> None:
    host.write_env_file(GITHUB_WFA_RUNNER_SERVER__API_TOKEN="", RUNNERCTL_MIN_FREE_SPACE="1000000G")
    items = host.cli_json("doctor", "--offline")["items"]
    assert {(each["check"], each["level"]) for each in items if each["stops_serve"]} == {("callers", "warning")}
    assert ("directories", "error") in {(each["check"], each["level"]) for each in items}


def test_a_directory_that_cannot_be_used_is_found(host: Host) -> None:
    host.base_dir.write_text("a file")
    assert found(host)[1]["directories"] == ("error", f"{str(host.base_dir)!r} is not a directory")


def test_what_is_left_at_github_is_told(host: Host, services: Services, sandbox: Sandbox) -> None:
    create(services, host.spec("left"))
    sandbox.add_fault(Fault(match="DELETE", status=503, times=None))
    assert cli("remove", "left", "--force", env=host.environment()).status == 0
    level, message = found(host)[1]["state"]
    assert level == "warning"
    assert "1 registration could not be cleared yet" in message


class SlowClock(SystemClock):
    """An hour behind."""

    def now(self) -> float:
        return super().now() - 3600


def test_a_clock_that_is_wrong_is_told(host: Host, services: Services) -> None:
    services.clock = SlowClock()
    told: list[Any] = [each for each in findings(FrontEnd.DOCTOR, Subject(services)) if each.check == "github"]
    assert [each.level for each in told] == [Level.OK, Level.WARN]
    assert "3600 s behind GitHub's" in told[1].message or "3599 s" in told[1].message
