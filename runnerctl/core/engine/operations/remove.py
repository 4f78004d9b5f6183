"""Removing a runner without ever killing a job that nobody asked to kill (design rule 3).

What is wanted is one committed wish; the table of ``table.py`` says how it is done: a local Worker refuses; then GitHub
is asked to deregister, after which no new job comes; then a settle window watches for a job that was dispatched just
before; only then are the processes stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from ...domain.errors import DeadlineExceeded, GitHubBusy, GitHubError, InvalidTransition, RunnerctlError
from ...domain.models import Orphan, OrphanKind, Runner, Scope
from ...domain.states import Desired, How, RunnerState
from .. import failures
from ..left_to_server import check_seen
from .find_runner import check_scope, find_runner
from .operation import Operation
from .stop import KILLED, has_job, is_draining, is_unsaid

if TYPE_CHECKING:
    from ...access.grants import TokenLimits
    from ...services import Services


@dataclass(frozen=True, kw_only=True)
class Removal:
    """How far a removal came."""

    runner: Runner
    draining: bool
    """A job is finished first; then it is removed by itself."""
    warning: str | None = None
    """What GitHub will show of a job that had to be killed, or still has of the runner."""


def _goes_on(runner: Runner, failure: RunnerctlError) -> RunnerctlError:
    """What was refused by GitHub, or not answered, is wanted still: whoever reads of it has to know."""
    if not isinstance(failure, GitHubError):
        return failure
    hint = (
        f"The runner is kept, and its removal goes on once GitHub can be asked: {{tries_again}}; "
        f"{{remove_force {runner.name}}} removes it here now"
    )
    return type(failure)(
        failure.message,
        hint=". ".join(filter(None, (failure.hint, hint))),
        retry_after=failure.retry_after,
        errors=failure.errors,
    )


class Remove(Operation[Removal]):
    """Deregisters, stops and deletes a runner; one that ended already is fine.

    ``drain`` waits for its job, at most ``timeout`` seconds (``DeadlineExceeded`` undoes nothing); ``force`` cancels
    it, and kills what is left after ``stop.force``.
    ``limits`` are the caller's, if it is not the operator: a runner that it must not see is not found.
    Raises ``RunnerBusy``, ``ScopeMismatch``, ``RunnerNotFound``; when GitHub cannot be asked, its error: then the
    processes are left alone, the runner stays ``removing`` and that goes on by itself.
    """

    def __init__(
        self,
        services: Services,
        name: str,
        *,
        scope: Scope | None = None,
        force: bool = False,
        drain: bool = False,
        timeout: float | None = None,
        limits: TokenLimits | None = None,
        by: str = "command",
    ) -> None:
        super().__init__(services)
        self._name = name
        self._scope = scope
        self._how = How.NOW if force else How.DRAIN if drain else How.GENTLE
        self._deadline = None if timeout is None else services.clock.monotonic() + timeout
        self._limits = limits
        self._by = by
        self._worked = False

    def begin(self) -> None:
        runner = find_runner(self.services, self._name, self._limits)
        check_scope(runner, self._scope)
        if runner.live:
            check_seen(self.services, runner)
        self.services.store.forget_replacement(self._name)
        self.runner_id = runner.id
        if not runner.live:
            self.already = True
            self.services.store.hasten_orphan(runner.id)
            return
        if runner.registered and self._how is How.GENTLE:
            _ = self.services.github  # no credentials: refused before anything
        self._worked = self._how is How.NOW and has_job(self.services, runner)
        self.services.store.want(runner.id, desired=Desired.GONE, how=self._how, by=self._by)

    def outcome(self) -> Removal | None:
        runner = self.services.store.get(self.runner_id or "")
        if runner is None or not runner.live:
            return self._ended(runner)
        failure = failures.raised(runner.last_error)
        if runner.desired is not Desired.GONE:
            raise failure or InvalidTransition(f"Runner {runner.name!r} is wanted {runner.desired} by another command")
        if failure is not None and not isinstance(failure, GitHubBusy) and not failures.is_of_its_making(runner):
            raise _goes_on(runner, failure)
        if runner.state is not RunnerState.REMOVING or not is_draining(self.services, runner):
            return None
        if self._how is How.GENTLE:
            return Removal(runner=runner, draining=True)
        if self._how is How.DRAIN and self._deadline is not None and self.services.clock.monotonic() > self._deadline:
            raise DeadlineExceeded(
                f"Runner {runner.name!r} still runs its job",
                hint="The runner is removed when the job ends; "
                f"{{remove_force {runner.name}}} cancels the job and removes it now",
            )
        return None

    def _ended(self, runner: Runner | None) -> Removal | None:
        if runner is None:
            runner = find_runner(self.services, self._name, self._limits)
        if self.services.store.is_orphan_due(runner.id):
            return None  # it is tried once
        killed = KILLED if self._worked and is_unsaid(self.services, runner) else None
        kept = [_orphan_text(orphan) for orphan in self.services.store.orphans_of(runner.id)]
        warnings = filter(None, (killed, *kept))
        return Removal(runner=runner, draining=False, warning=". ".join(warnings) or None)


def _orphan_text(orphan: Orphan) -> str:
    if orphan.kind is OrphanKind.DIRECTORY:
        first = f"{orphan.hint}. " if orphan.hint else ""
        return (
            f"Its directory is kept as orphan {orphan.id}: {orphan.reason}. {first}{{clear_orphan {orphan.id}}}, "
            f"and so does sudo rm -rf --one-file-system {quote(orphan.path or '')}"
        )
    return (
        f"Its registration in {orphan.scope} could not be deleted and is kept as orphan {orphan.id}: {{tries_again}} "
        f"({orphan.reason})"
    )


def remove_runner(
    services: Services,
    name: str,
    *,
    scope: Scope | None = None,
    force: bool = False,
    drain: bool = False,
    timeout: float | None = None,
    limits: TokenLimits | None = None,
    by: str = "command",
) -> Operation[Removal]:
    """See ``Remove``."""
    return Remove(services, name, scope=scope, force=force, drain=drain, timeout=timeout, limits=limits, by=by)
