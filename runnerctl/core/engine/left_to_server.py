"""Runners whose processes this command cannot see: a server that may see them is told, and acts on what is wanted.

Where there is none, a command is refused before anything is wanted. Nobody acts on what cannot be seen.
"""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

from ..domain.errors import BackendFailed, DeadlineExceeded, NotVisible
from ..domain.models import Runner
from ..domain.observation import Observation
from ..domain.states import RunnerState
from .restarts import server_runs

if TYPE_CHECKING:
    from ..services import Services

POKE_SECONDS = 0.5
UNHEARD_SECONDS = 10.0
"""A server that has seen the runner changes something of its row in less."""
HINT = (
    "Run the command where the processes can be seen: on the host itself, not in a container or another namespace, and "
    "as root; `runnerctl doctor` says what is hidden"
)


def not_visible(runner: Runner, seen: Observation) -> NotVisible:
    why = seen.error or "no reason was given"
    return NotVisible(f"The processes of runner {runner.name!r} cannot be seen from here: {why}", hint=HINT)


def check_seen(services: Services, runner: Runner) -> None:
    """Raises ``NotVisible`` for one that lives, maybe, and that nobody could act on."""
    try:
        backend, handle = services.backends.reach(runner)
        seen = backend.observe(handle)
    except BackendFailed:
        return  # whoever takes a step meets it
    if seen.running is None and not may_be_left(services):
        raise not_visible(runner, seen)


def may_be_left(services: Services) -> bool:
    """A server holds the state directory, and it is not us."""
    return not services.serving and server_runs(services)


class Left:
    """One row that was left to the server, by whoever waits for what comes of it."""

    def __init__(self, services: Services, runner_id: str) -> None:
        self._services = services
        self._runner_id = runner_id
        self._changes: int | None = None
        self._since = services.clock.monotonic()

    def poke(self, met: NotVisible) -> None:
        """The server looks at it now. Raises ``met`` when there is none, ``DeadlineExceeded`` when it does nothing."""
        if not may_be_left(self._services) or not _poke(self._services, self._runner_id):
            raise met
        runner = self._services.store.get(self._runner_id)
        now = self._services.clock.monotonic()
        if runner is None or runner.changes != self._changes:
            self._changes, self._since = None if runner is None else runner.changes, now
        elif now - self._since > UNHEARD_SECONDS:
            raise DeadlineExceeded(f"{met.message}. {_how_far(runner)}", hint=_GOES_ON) from met


_GOES_ON = "Your request is kept and goes on by itself; the server's log says what keeps it"


def _how_far(runner: Runner) -> str:
    """The server is not asked whether it waits for a job: it would have to be over HTTP."""
    if runner.state in {RunnerState.STOPPING, RunnerState.REMOVING}:
        return f"The server has begun: the runner is {runner.state}, and a job that runs is finished first"
    return f"The server has been told, and has not begun in {UNHEARD_SECONDS:.0f} s"


def _poke(services: Services, runner_id: str) -> bool:
    path = services.events_socket
    try:
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        try:
            sending.setblocking(False)
            sending.sendto(json.dumps({"id": runner_id}).encode(), f"/proc/self/fd/{directory}/{path.name}")
        except BlockingIOError:
            return True  # it is behind, and looks at all rows soon
        except OSError:
            return False
        finally:
            os.close(directory)
    return True
