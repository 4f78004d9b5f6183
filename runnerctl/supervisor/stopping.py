"""When a stop that was asked for begins, and the ladder it climbs. Pure: time is handed in."""

from __future__ import annotations

from launch import Launch

DRAIN, GRACE, NOW = "drain", "grace", "now"
_STRENGTH = {None: 0, DRAIN: 1, GRACE: 2, NOW: 3}
INTERRUPT, TERMINATE, KILL = "interrupt", "terminate", "kill"


class Stop:
    """``asked`` is the strongest that was asked; times are monotonic seconds."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._rungs = [
            (INTERRUPT, launch.interrupt_seconds),
            (TERMINATE, launch.terminate_seconds),
            (KILL, launch.kill_seconds),
        ]
        self._climbed = 0
        self._grace_ends: float | None = None
        self._leaves_by: float | None = None
        self._rung_ends = 0.0
        self._resumed = False
        self.asked: str | None = None
        self.hurried = False
        """Asked twice to stop now."""

    @property
    def begun(self) -> bool:
        return self._climbed > 0

    def resume(self, how: str, now: float) -> None:
        """Goes on with what was asked of a supervisor before us; who asked it may ask us again, without hurrying."""
        self.ask(how, now)
        self._resumed = True

    def ask(self, how: str, now: float) -> None:
        """``now`` once more climbs to the next rung at once."""
        if how == NOW and self.asked == NOW and not self._resumed:
            self.hurried = True
            self._rung_ends = now
        self._resumed = False
        if how == GRACE and self._grace_ends is None:
            self._grace_ends = now + self._launch.shutdown_grace
        if _STRENGTH[how] > _STRENGTH[self.asked]:
            self.asked = how

    def withdraw(self) -> None:
        """A drain that has not begun to stop anything is over."""
        if self.asked == DRAIN and not self.begun:
            self.asked = None

    def job_ended(self, now: float) -> None:
        """An ephemeral runner now leaves by itself, cleaning up; it is given time for that."""
        if self._launch.ephemeral:
            self._leaves_by = now + self._launch.interrupt_seconds
        else:
            self.job_may_come(now)

    def job_may_come(self, now: float) -> None:
        """The Listener waits for one: what GitHub hands over just now is finished first."""
        self._leaves_by = now + self._launch.settle_seconds

    def may_begin(self, now: float, *, occupied: bool) -> bool:
        if self.asked is None:
            return False
        if self.asked == NOW or (self._grace_ends is not None and now >= self._grace_ends):
            return True
        return not occupied and (self._leaves_by is None or now >= self._leaves_by)

    def climb(self, now: float, *, occupied: bool) -> str | None:
        """The rung to step on now, if it is time for one."""
        due = now >= self._rung_ends if self.begun else self.may_begin(now, occupied=occupied)
        if not due or self._climbed == len(self._rungs):
            return None
        rung, patience = self._rungs[self._climbed]
        self._climbed += 1
        self._rung_ends = now + patience
        return rung

    def deadlines(self, *, occupied: bool) -> list[float]:
        """When to look again although nothing happened."""
        if self.asked is None:
            return []
        if self.begun:
            return [self._rung_ends]
        # What has passed makes it begin, so nothing that is listed here stays in the past.
        leaves_by = None if occupied else self._leaves_by
        return [due for due in (self._grace_ends, leaves_by) if due is not None]
