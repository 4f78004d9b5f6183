"""Who starts a persistent runner again that rests: a server, or else what its supervisor left behind to wait.

Whoever waits so goes as soon as there is nothing to wait for: nothing of ours stays behind.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from ..domain.durations import shown
from ..domain.errors import ConfigInvalid, RunnerBusy, RunnerctlError
from ..domain.models import Runner
from ..domain.states import Desired
from ..host.locks import LockHeld, file_lock
from ..services import Services
from . import restarting
from .observing import decide, seconds_to_restart
from .reconcile_runner import reconcile_runner
from .steps.acts import IDLE

OBSERVE_SECONDS = 1.0
"""How long at most somebody waits on for what is not there any more."""
_LOCK_SECONDS = 2.0
"""Whoever waited for the last restart has gone by then."""
_Place = tuple[int, int]


def wait_and_restart(services: Services, runner_id: str) -> Runner | None:
    """Brings this row up to date, and goes on with that while it is to be started again and nobody else would do it.

    None if it never was. Raises what the last try raised.
    """
    runner = services.store.get(runner_id)
    if runner is None or not _may_run_again(runner):
        return _reconciled(services, runner_id)
    try:
        with file_lock(_lock(services, runner), wait=_LOCK_SECONDS, clock=services.clock):
            return _wait_and_restart(services, runner_id)
    except LockHeld:
        return reconcile_runner(services, runner_id)  # somebody waits already


def _may_run_again(runner: Runner) -> bool:
    """Persistent, or ephemeral and waiting for a version that GitHub takes."""
    return runner.desired is Desired.RUNNING and runner.daemonize and runner.exposed_at is None


def _reconciled(services: Services, runner_id: str) -> Runner | None:
    """Whoever holds the row may be suspended: it is waited for as long as nobody else would see to it."""
    place = _place(services)
    while True:
        try:
            return reconcile_runner(services, runner_id)
        except RunnerBusy:
            if place is None or _place(services) != place or server_runs(services):
                raise


def _wait_and_restart(services: Services, runner_id: str) -> Runner | None:
    place, tries = _place(services), 0
    while True:
        before = services.store.get(runner_id)
        failure = _tried(services, runner_id)
        runner = services.store.get(runner_id)
        # What changed nothing is tried less and less often: GitHub may be down while it is asked for a newer version.
        tries = tries + 1 if _revision(runner) == _revision(before) else 0
        seconds = None if isinstance(failure, ConfigInvalid) else _pause(services, runner, tries)
        if runner is None or seconds is None or not _rested(services, runner, seconds, place):
            if failure is not None:
                raise failure
            return runner


def _revision(runner: Runner | None) -> int | None:
    return None if runner is None else runner.revision


def _tried(services: Services, runner_id: str) -> RunnerctlError | None:
    try:
        reconcile_runner(services, runner_id)
    except RunnerctlError as exc:
        return exc
    return None


def _pause(services: Services, runner: Runner | None, tries: int) -> float | None:
    """How many seconds until it is tried again; None for one that runs, or is not to run."""
    if runner is None or not runner.live or not _may_run_again(runner):
        return None
    if left := seconds_to_restart(services, runner):
        return left
    action = decide(services, runner)
    if action.step not in IDLE:
        return restarting.pause(tries)
    return action.until


def _rested(services: Services, runner: Runner, seconds: float, place: _Place | None) -> bool:
    """False as soon as somebody else has seen to it, or will."""
    until = services.clock.monotonic() + seconds
    while _is_left_to_us(services, runner, place):
        left = until - services.clock.monotonic()
        if left <= 0:
            return True
        services.clock.sleep(min(left, OBSERVE_SECONDS))
    return False


def _is_left_to_us(services: Services, runner: Runner, place: _Place | None) -> bool:
    if place is None or _place(services) != place or server_runs(services):
        return False
    current = services.store.get(runner.id)
    return current is not None and (current.revision, current.wants) == (runner.revision, runner.wants)


def _place(services: Services) -> _Place | None:
    """Of the state directory: another may have taken its place, and an open database tells nothing of that."""
    try:
        found = services.settings.state_dir.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_attended(services: Services, runner: Runner) -> bool:
    """Whether somebody is there who starts it again when its time has come."""
    return server_runs(services) or _is_held(_lock(services, runner))


def restart_text(services: Services, runner: Runner) -> str | None:
    """Of one that rests until it is started again, when that is and who does it: to follow its name, or "It"."""
    left = seconds_to_restart(services, runner)
    if left is None:
        return None
    if is_attended(services, runner):
        return f"is started again in {shown(left)}" if left else "is about to be started again"
    return "is started again by `runnerctl reconcile`" + (f", in {shown(left)} at the earliest" if left else "")


def server_runs(services: Services) -> bool:
    """Whether one hears what the supervisors tell. Its lock is not tried: a server that starts would find it held."""
    path = services.events_socket
    try:
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(f"/proc/self/fd/{directory}/{path.name}")  # a long path does not fit into an address
        except OSError:
            return False
        finally:
            os.close(directory)
    return True


def _lock(services: Services, runner: Runner) -> Path:
    return services.locks_dir / "restarts" / f"{runner.name.lower()}.lock"


def _is_held(lock: Path) -> bool:
    """Observes, and makes nothing; whoever comes to hold it waits longer than that takes."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
