"""Locking a runner by its name: meanwhile nobody else on this host takes a step in that runner's life."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ..domain import names
from ..domain.errors import RunnerBusy, RunnerExists, RunnerNotFound, ScopeMismatch
from ..domain.models import Runner, Scope
from ..host.locks import LockHeld, name_lock
from ..services import Services

if TYPE_CHECKING:
    from ..access.grants import TokenLimits

_PATIENCE_SECONDS = 30.0


@contextmanager
def lock_runner(services: Services, name: str, *, wait: float = _PATIENCE_SECONDS) -> Iterator[None]:
    """Locks the name for one step. Raises ``RunnerBusy`` when another command keeps it longer than ``wait`` seconds."""
    with ExitStack() as held:
        try:
            held.enter_context(name_lock(services.locks_dir, names.runner_name(name), wait=wait))
        except LockHeld as exc:
            raise RunnerBusy(f"Another command is at work on runner {name!r}", hint="Try again in a moment") from exc
        yield


@contextmanager
def lock_for_create(services: Services, name: str) -> Iterator[None]:
    """Like ``lock_runner``, but a name that another create works on is refused at once, however that ends."""
    with ExitStack() as held:
        try:
            held.enter_context(name_lock(services.locks_dir, name, wait=0))
        except LockHeld as exc:
            runner = services.store.latest(name)
            if runner is not None and runner.live:
                raise RunnerExists(f"Runner {name!r} exists already", hint="Another command is at work on it") from exc
            held.enter_context(lock_runner(services, name))
        yield


def find_runner(services: Services, name: str, limits: TokenLimits | None = None) -> Runner:
    """The current or last life of that name, if the caller's ``limits`` let it be seen.

    Raises ``RunnerNotFound``, or ``InvalidRequest`` for what is no name.
    """
    runner = services.store.latest(names.runner_name(name))
    if runner is None or not (limits is None or limits.sees(runner)):
        raise RunnerNotFound(f"No runner is named {name!r}", hint="`runnerctl list --all` shows what there is and was")
    return runner


def check_scope(runner: Runner, scope: Scope | None) -> None:
    """Raises ``ScopeMismatch`` when the caller means a runner of another repository."""
    if scope is not None and not scope.same_as(runner.scope):
        raise ScopeMismatch(f"Runner {runner.name!r} belongs to {runner.scope}, not to {scope}")
