"""What a job of a persistent runner leaves in its root does not decide what the next start reads, runs or shows."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from runnerctl import core
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.process.supervisor.test_fork_guard import FORK, pull_request
from tests.support.hosts.host import Host, start, stop, until
from tests.support.hosts.isolated import USERS, Isolated, isolated, open_archive, open_top

__all__ = ["isolated", "open_archive", "open_top"]

pytestmark = pytest.mark.persistent
REPO = "acme/widgets"
NAME = "steady"
LEAVE = (
    "cd ../../..; rm -f .env .path .setup_info; printf 'ACTIONS_RUNNER_HOOK_JOB_STARTED=\\nLEFT=behind\\n' > .env;"
    ' echo /left/behind > .path; echo \'[{"group":"x","detail":"approved by root"}]\' > .setup_info; ls -la'
)


@pytest.fixture
def guarded(host: Host, sandbox: Sandbox) -> Iterator[Isolated]:
    """Jobs run as ourselves, be that root or not."""
    services = host.services(RUNNERCTL_FORK_GUARD="true")
    yield Isolated(host=host, services=services, sandbox=sandbox)
    services.close()


def current(services: Services) -> core.Runner:
    runner = services.store.latest(NAME)
    assert runner is not None
    return runner


def stopped(given: Isolated) -> None:
    """GitHub hears of a job's end a little before its Worker ends, and a stop would wait for that."""
    until(lambda: not routed.working(given.services, current(given.services)))
    stop(given.services, NAME)


def stopped_and_started(given: Isolated) -> None:
    stopped(given)
    start(given.services, NAME)


def restarted(given: Isolated) -> None:
    until(lambda: not routed.working(given.services, current(given.services)))
    core.finish(core.restart_runner(given.services, NAME), clock=given.services.clock)


def crashed(given: Isolated) -> None:
    """Its Listener is killed, and a sweep starts it again."""
    before = current(given.services).started_at
    (_, listener, *_) = routed.processes(given.services, current(given.services))
    os.kill(listener.pid, signal.SIGKILL)

    def again() -> bool:
        sweep(given.services)
        return current(given.services).started_at != before

    until(again, seconds=30)


STARTS: dict[str, Callable[[Isolated], None]] = {
    "a stop and a start": stopped_and_started,
    "a restart": restarted,
    "a crash of its Listener": crashed,
}


def is_guarded_and_clean(given: Isolated) -> None:
    until(lambda: routed.observe(given.services, current(given.services)).online_at)
    event = pull_request("mona/widgets")
    job = given.sandbox.submit_job(REPO, [NAME], [{"run": "echo BREACH"}], event_name="pull_request", event=event)
    seen = given.sandbox.wait_job(job, timeout=30)
    assert (seen.conclusion, f"##[error]{FORK}" in seen.lines) == ("failure", True)
    said = given.run(NAME, "env; cat ../../../.env ../../../.path ../../../.setup_info")
    assert "behind" not in said
    assert "approved by root" not in said
    assert "ACTIONS_RUNNER_HOOK_JOB_STARTED=/" in said


@pytest.mark.parametrize("how", STARTS)
def test_what_a_job_wrote_for_the_next_start_is_gone_at_it(guarded: Isolated, how: str) -> None:
    guarded.runner(NAME, ephemeral=False)
    guarded.run(NAME, LEAVE)
    STARTS[how](guarded)
    is_guarded_and_clean(guarded)


def test_a_user_of_its_own_cannot_even_write_it(isolated: Isolated) -> None:
    isolated.runner(NAME, ephemeral=False)
    tries = ("echo x >> {0}", "rm -f {0}", "mv {0} was", "touch new && mv -f new {0}", "chmod 666 {0}", "ln {0} also")
    script = "cd ../../..\n" + "".join(
        f"{each.format(name)} && echo BREA''CH\n" for name in (".env", ".path", ".setup_info") for each in tries
    )
    assert "BREACH" not in isolated.run(NAME, f"set +e\n{script}true")
    stopped_and_started(isolated)
    is_guarded_and_clean(isolated)


def test_one_that_was_made_by_an_earlier_version_is_cleaned_too(isolated: Isolated) -> None:
    """There the files were its user's own, as config.sh had left them."""
    isolated.runner(NAME, ephemeral=False)
    stop(isolated.services, NAME)
    root = isolated.host.base_dir / NAME
    for name in (".env", ".path", ".setup_info"):
        (root / name).unlink(missing_ok=True)
        (root / name).write_text("ACTIONS_RUNNER_HOOK_JOB_STARTED=\nLEFT=behind\n")
        os.chown(root / name, USERS[0], USERS[0])
    start(isolated.services, NAME)
    is_guarded_and_clean(isolated)


# --- More that the next start uses, and that a job's user owns ---


def test_links_in_place_of_its_own_directories_lead_the_next_start_nowhere(isolated: Isolated) -> None:
    """As root, the supervisor mounts ``tmp`` over /tmp: it must not show a job what a link leads to."""
    secret = isolated.host.top / "secret"
    secret.mkdir(mode=0o700)
    (secret / "of-others").write_text("x")
    isolated.runner(NAME, ephemeral=False)
    isolated.run(NAME, f"cd ../../.. && for each in tmp home; do mv $each was-$each && ln -s {secret} $each; done")
    stopped(isolated)
    diagnostics = isolated.host.base_dir / NAME / "_diag"  # a job that runs has it in use
    diagnostics.rename(diagnostics.with_name("was-_diag"))
    diagnostics.symlink_to(secret)
    os.chown(diagnostics, USERS[0], USERS[0], follow_symlinks=False)
    start(isolated.services, NAME)
    until(lambda: routed.observe(isolated.services, current(isolated.services)).online_at)
    said = isolated.run(NAME, "ls -la /tmp /var/tmp $HOME; touch /tmp/mine $HOME/mine && echo usable")
    assert "of-others" not in said
    assert "usable" in said
    assert [each.name for each in secret.iterdir()] == ["of-others"]


def test_directories_that_a_job_deleted_are_there_again(guarded: Isolated) -> None:
    guarded.runner(NAME, ephemeral=False)
    guarded.run(NAME, "rm -rf ../../../home ../../../tmp")
    stopped_and_started(guarded)
    assert "usable" in guarded.run(NAME, "touch $HOME/mine $TMPDIR/mine && echo usable")


def test_a_config_sh_that_a_job_changed_is_not_what_registers_it_again(guarded: Isolated) -> None:
    """It would run with a registration token, and outside of what confines jobs."""
    made = guarded.runner(NAME, ephemeral=False)
    assert made.github_id is not None
    stolen = guarded.host.top / "stolen"
    theirs = f"#!/bin/sh\nenv > {stolen}\n"
    guarded.run(
        NAME,
        f"cd ../../.. && rm config.sh env.sh && printf %s '{theirs}' > config.sh && cp config.sh env.sh"
        f" && chmod +x config.sh env.sh && printf 'http_proxy=http://127.0.0.1:9\\n' > .env",
    )
    stopped(guarded)
    guarded.sandbox.delete_runner(made.github_id)
    again = start(guarded.services, NAME, register=True)
    assert again.github_id not in {None, made.github_id}
    assert not stolen.exists()
    until(lambda: current(guarded.services).state in {RunnerState.IDLE, RunnerState.STARTING})
    guarded.run(NAME, "true")


def test_so_it_is_while_a_job_left_something_running(guarded: Isolated) -> None:
    """Nothing of the life before outlives a stop to write it once more."""
    guarded.runner(NAME, ephemeral=False)
    root = guarded.host.base_dir / NAME
    loop = f"while :; do echo LEFT=behind > {root}/.env; sleep 0.01; done"
    guarded.run(NAME, f"RUNNER_TRACKING_ID= setsid sh -c '{loop}' > /dev/null 2>&1 &\nsleep 0.2")
    stopped_and_started(guarded)
    is_guarded_and_clean(guarded)


def test_the_files_are_for_its_user_alone(isolated: Isolated) -> None:
    isolated.runner(NAME, ephemeral=False)
    found = {name: (isolated.host.base_dir / NAME / name).stat() for name in (".env", ".path", ".setup_info")}
    assert {(each.st_uid, each.st_gid, each.st_mode & 0o777) for each in found.values()} == {(0, USERS[0], 0o640)}
