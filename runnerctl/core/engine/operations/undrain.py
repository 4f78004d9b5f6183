"""Taking back the drain of a runner, while GitHub still knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.errors import InvalidTransition, RunnerNotFound
from ...domain.models import Runner
from ...domain.states import Desired, How, RunnerState
from ...store.wanted import is_drained
from .. import failures
from ..left_to_server import check_seen
from ..plan import is_taken_back
from .find_runner import find_runner
from .may_start import MayStart
from .operation import Operation, Question

if TYPE_CHECKING:
    from ...access.grants import TokenLimits
    from ...services import Services


class Undrain(Operation[Runner]):
    """Takes back a stop, restart or removal that waits for a job; one that nobody drains is left as it is.

    ``limits`` are the caller's, if it is not the operator: a runner that it must not see is not found.
    Raises ``InvalidTransition`` once GitHub has let go of it or its processes were told to end now, and ``Forbidden``
    for one that is drained because its repository became public, while it is.
    """

    def __init__(
        self, services: Services, name: str, *, limits: TokenLimits | None = None, by: str = "command"
    ) -> None:
        super().__init__(services)
        self._name = name
        self._limits = limits
        self._by = by
        self._may = MayStart(services, limits)

    def begin(self) -> Question | None:
        runner = find_runner(self.services, self._name, self._limits)
        if not runner.live:
            raise RunnerNotFound(f"Runner {runner.name!r} has ended", hint="Create it again")
        check_seen(self.services, runner)
        if not is_drained(runner):
            self._check_wanted(runner)
            self.already = True
        elif (question := self._may.question(runner, registered=False)) is not None:
            return question
        self.services.store.want_back(runner.id, by=self._by)
        self.runner_id = runner.id
        return None

    def _check_wanted(self, runner: Runner) -> None:
        """It is not drained; is it then as it would be if its drain had been taken back?"""
        if runner.desired is Desired.GONE or runner.state is RunnerState.REMOVING:
            raise InvalidTransition(f"Runner {runner.name!r} is being removed, and not drained")
        if runner.desired is Desired.STOPPED:
            doing = "is stopped" if runner.state is RunnerState.STOPPED else "is being stopped now"
            raise InvalidTransition(f"Runner {runner.name!r} {doing}, and not drained", hint="Start it instead")

    def outcome(self) -> Runner | None:
        runner = self.services.store.get(self.runner_id or "")
        if runner is None or not runner.live:
            raise RunnerNotFound(f"Runner {self._name!r} has ended", hint="Create it again")
        if runner.desired is Desired.GONE or runner.how is not How.GENTLE:
            raise InvalidTransition(f"Runner {runner.name!r} is being removed, stopped or drained by another command")
        if is_taken_back(runner):
            if (failure := failures.raised(runner.last_error)) is not None:
                raise failure
            return None
        return runner


def undrain_runner(
    services: Services, name: str, *, limits: TokenLimits | None = None, by: str = "command"
) -> Operation[Runner]:
    """See ``Undrain``."""
    return Undrain(services, name, limits=limits, by=by)
