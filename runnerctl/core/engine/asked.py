"""What was asked of a runner's processes, and when: it is not asked again before they can have shown it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..domain.clock import Clock
from ..domain.models import Runner
from .advance import HEARD_SECONDS, Progress
from .steps.acts import ASKED_SELDOM

if TYPE_CHECKING:
    from .plan import Action
    from .table import Step


class Asked:
    """Of one runner, by one who looks at it often.

    A request that is still on its way would reach the processes that are started next.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._step: Step | None = None
        self._at = 0.0

    def may(self, _: Runner, action: Action) -> bool:
        return action.step is not self._step or self._clock.monotonic() - self._at >= HEARD_SECONDS

    def note(self, progress: Progress) -> None:
        if progress.taken:
            last = progress.taken[-1].step
            self._step, self._at = last if last in ASKED_SELDOM else None, self._clock.monotonic()
