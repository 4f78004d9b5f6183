"""A state directory that was copied from another machine: which of the two goes on is for the operator to say.

Both ways can be cut short and taken again: whose the directory is, is written down last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ..backends.base import Left
from ..domain.errors import ConfigInvalid, InvalidTransition, RunnerctlError
from ..domain.models import Runner
from ..domain.states import Desired, How, RunnerState
from ..host.locks import LockHeld, file_lock
from . import directories

if TYPE_CHECKING:
    from ..services import Services

FORGOTTEN = "Another machine goes on with it"


class Forgotten(NamedTuple):
    runner: Runner
    left: Sequence[Left]
    """What of it could not be deleted here."""


def adopt(services: Services) -> list[Runner]:
    """This machine goes on: the registrations are ours, and none of the processes. Returns the runners that live.

    Raises ``InvalidTransition`` where it is this machine's already.
    """
    with _alone(services):
        runners = [_taken_over(services, runner) for runner in services.store.live()]
        services.whose.adopt()
        services.store.rehost(services.host_id)
    return runners


def forget_registrations(services: Services) -> list[Forgotten]:
    """The other machine goes on: its runners and what they sign in with are forgotten here, and GitHub is told nothing.

    Raises ``InvalidTransition`` where it is this machine's own.
    """
    with _alone(services):
        services.store.disown()
        forgotten = [_forgotten(services, runner) for runner in services.store.live()]
        services.whose.begin_anew()
    return forgotten


@contextmanager
def _alone(services: Services) -> Iterator[None]:
    state_dir = services.settings.state_dir
    if services.whose.refusal is None:
        raise InvalidTransition(
            f"The state directory {str(state_dir)!r} is this machine's own",
            hint="Nothing is to be decided; `runnerctl remove` removes runners",
        )
    try:
        with file_lock(state_dir / "serve.lock", wait=0):
            yield
    except LockHeld as exc:
        raise ConfigInvalid(f"A server uses the state directory {str(state_dir)!r}", hint="Stop it first") from exc


def _taken_over(services: Services, runner: Runner) -> Runner:
    if runner.handle is None:
        return runner
    backend, handle = services.backends.reach(runner)
    here = backend.taken_over(handle)
    return runner if here == handle else services.store.amend(runner, handle=here)


def _forgotten(services: Services, runner: Runner) -> Forgotten:
    left = _cleared(services, runner)
    ways = () if runner.state is RunnerState.REMOVING else (RunnerState.REMOVING,)
    ended = services.store.transition(
        runner,
        *ways,
        RunnerState.REMOVED,
        why=FORGOTTEN,
        reason=FORGOTTEN,
        desired=Desired.GONE,
        how=How.NOW,
        due=None,
        last_error=None,
    )
    kept = next((each for each in left if each.path is not None), None)
    if kept is not None:
        directories.keep(services, ended, kept)
    return Forgotten(ended, left)


def _cleared(services: Services, runner: Runner) -> Sequence[Left]:
    """Its directory here. What is in the way of that does not keep the runner."""
    try:
        backend, handle = services.backends.reach(runner)
        handle = backend.taken_over(handle)
        backend.forget_identity(handle)
        return backend.cleanup(handle)
    except (RunnerctlError, OSError) as exc:
        return [Left(str(exc))]
