"""The runner that a caller names, if it may see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain import names
from ...domain.errors import RunnerNotFound, ScopeMismatch
from ...domain.models import Runner, Scope

if TYPE_CHECKING:
    from ...access.grants import TokenLimits
    from ...services import Services


def find_runner(services: Services, name: str, limits: TokenLimits | None = None) -> Runner:
    """The current or last life of that name, if the caller's ``limits`` let it be seen.

    Raises ``RunnerNotFound``, or ``InvalidRequest`` for what is no name.
    """
    runner = services.store.latest(names.runner_name(name))
    if runner is None or _is_hidden(runner, limits):
        raise RunnerNotFound(f"No runner is named {name!r}", hint="{list_all} shows all runners, ended ones too")
    return runner


def _is_hidden(runner: Runner, limits: TokenLimits | None) -> bool:
    if limits is None:
        return False
    from ...access.policy import sees  # a command's status must be quick

    return not sees(limits, runner)


def check_scope(runner: Runner, scope: Scope | None) -> None:
    """Raises ``ScopeMismatch`` when the caller means a runner of another repository."""
    if scope is not None and not scope.same_as(runner.scope):
        raise ScopeMismatch(f"Runner {runner.name!r} belongs to {runner.scope}, not to {scope}")
