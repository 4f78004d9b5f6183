"""Time that jumps when a test says so, and what a sweep did then."""

from __future__ import annotations

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.engine.sweep import Sweep
from runnerctl.core.engine.table import Step


class JumpingClock(SystemClock):
    """Goes on by itself, and jumps when told to."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._stopped_at: float | None = None

    def stop(self) -> None:
        """The time of day stands from now on, but for jumps."""
        self._stopped_at = super().now()

    def now(self) -> float:
        return (super().now() if self._stopped_at is None else self._stopped_at) + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


def steps(swept: Sweep) -> list[tuple[str, Step]]:
    return [(finding.runner.name, finding.action.step) for finding in swept.findings]
