"""What commands, pools and policies want of a runner, written beside what it is.

It has a counter of its own, so it never conflicts with whoever takes a step for the runner at the same moment. What two
callers want only goes further; ``want_running`` and ``want_back`` alone take it back.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from ..domain.clock import Clock
from ..domain.errors import InvalidTransition, RunnerNotFound
from ..domain.models import EventType, Runner
from ..domain.states import UNLAUNCHED, Desired, How, RunnerState
from . import rows
from .events import Events

_AT_ONCE: dict[str, Any] = {"due": None, "attempts": 0, "last_error": None}
_UNREGISTERED: dict[str, Any] = {
    "github_id": None,
    "github_status": None,
    "github_busy": None,
    "github_seen_at": None,
    "deregistered_at": None,
    "offline_since": None,
}


class Wanted(Events):
    """Part of the store."""

    _clock: Clock

    def want(
        self,
        runner_id: str,
        *,
        desired: Desired,
        by: str,
        how: How = How.GENTLE,
        ending: RunnerState | None = None,
        reason: str | None = None,
    ) -> Runner:
        """That it is to stop or to go, at least in that way: less than is wanted already changes nothing.

        ``ending`` is the state in which its life is to end; of two callers the first says it. ``reason`` is told by
        its event, and shown with the runner from then on. In any case the runner is due now, so a policy does not
        repeat what it wants. One whose life has ended is returned as it is. Raises ``RunnerNotFound``.
        """
        with self._transaction() as db:
            runner = _row(db, runner_id)
            if runner.live and desired is not Desired.RUNNING:
                further = {"desired": runner.desired.at_least(desired), "how": _further(runner, how)}
                told: dict[str, Any] = {"ending": ending} if runner.ending is None and ending is not None else {}
                if desired is Desired.GONE and runner.desired is not Desired.GONE:
                    told["back_desired"] = runner.desired
                told |= {} if reason is None else {"reason": reason}
                self._want(db, runner, further, told, by=by, reason=reason)
            runner = _row(db, runner_id)
        self._changed(runner_id)
        return runner

    def want_running(self, runner_id: str, *, by: str, anew: bool = False) -> Runner:
        """Takes back what was wanted: a start. One that has ended, or is being cleared away, is returned as it is.

        ``anew``: GitHub has no registration of it any more, and it is to get another. Raises ``RunnerNotFound``.
        """
        with self._transaction() as db:
            runner = _row(db, runner_id)
            if runner.live and runner.state is not RunnerState.REMOVING:
                wanted = {"desired": Desired.RUNNING, "how": How.GENTLE}
                # One that rests although it should run is to be started all the same.
                rests = runner.state is RunnerState.STOPPED
                told = {"ending": None, **(_UNREGISTERED if anew else {})}
                self._want(db, runner, wanted, told, by=by, repeated=rests)
            runner = _row(db, runner_id)
        self._changed(runner_id)
        return runner

    def want_back(self, runner_id: str, *, by: str) -> Runner:
        """That its drain ends, and it is as it was before; what is not drained is returned as it is.

        ``back_to`` tells the engine where it goes back to. Raises ``RunnerNotFound``, or ``InvalidTransition`` once
        GitHub has let go of it, or its processes were told to end now.
        """
        with self._transaction() as db:
            runner = _row(db, runner_id)
            if is_drained(runner):
                _check_not_too_late(runner)
                before = Desired(runner.back_desired or Desired.RUNNING)
                stays = runner.desired is Desired.GONE and before is Desired.STOPPED
                wanted = {"desired": before if stays else Desired.RUNNING, "how": How.GENTLE}
                stopping = runner.state is RunnerState.STOPPING
                told = {"back_to": RunnerState.STARTING} if stopping else {"ending": None}
                self._want(db, runner, wanted, told, by=by)
            runner = _row(db, runner_id)
        self._changed(runner_id)
        return runner

    def want_restart(
        self, runner_id: str, *, how: How, by: str, reason: str | None = None, wants: int | None = None
    ) -> Runner:
        """That processes which were started before now are to end, in that way, and others to be started.

        Of one that is to run only: ``how`` says it from then on. ``reason`` is told as by ``want``. ``wants``: only if
        nobody has wanted anything since that was its count. Raises ``RunnerNotFound``.
        """
        with self._transaction() as db:
            runner = _row(db, runner_id)
            if runner.live and runner.desired is not Desired.GONE and wants in {None, runner.wants}:
                wanted = {"desired": Desired.RUNNING, "how": how}
                told = {} if reason is None else {"reason": reason}
                self._want(db, runner, wanted, told, by=by, reason=reason, repeated=True)
            runner = _row(db, runner_id)
        self._changed(runner_id)
        return runner

    def _want(
        self,
        db: sqlite3.Connection,
        runner: Runner,
        wanted: dict[str, Any],
        told: dict[str, Any],
        *,
        by: str,
        reason: str | None = None,
        repeated: bool = False,
    ) -> None:
        changes = dict(_AT_ONCE)
        if repeated or wanted != {"desired": runner.desired, "how": runner.how}:
            now = self._clock.now()
            changes |= {**wanted, **told, "wanted_at": now, "wanted_by": by, "wants": runner.wants + 1}
            self._insert_event(
                db, EventType.WANTED, at=now, runner_id=runner.id, data={**wanted, "by": by}, reason=reason
            )
        elif all(getattr(runner, field) == value for field, value in _AT_ONCE.items()):
            return
        columns = rows.encoded(changes)
        assignments = ", ".join(f"{column} = ?" for column in columns)
        db.execute(f"UPDATE runner SET {assignments} WHERE id = ?", (*columns.values(), runner.id))


def _further(runner: Runner, how: How) -> How:
    """How a restart was wanted says nothing of how it is to stop or to go."""
    return how if runner.desired is Desired.RUNNING else runner.how.at_least(how)


def is_drained(runner: Runner) -> bool:
    """It is to stop, to restart or to go after the job that runs, and has not done so yet."""
    if runner.how is not How.DRAIN or not runner.live:
        return False
    if runner.desired is Desired.RUNNING:
        return runner.wants > runner.started_wants
    return runner.desired is Desired.GONE or runner.state is not RunnerState.STOPPED


def _check_not_too_late(runner: Runner) -> None:
    """Raises ``InvalidTransition`` for one that cannot go back any more."""
    if runner.ending not in {None, RunnerState.REMOVED}:
        raise InvalidTransition(f"Runner {runner.name!r} has ended")
    gone = runner.asked_at is None or runner.deregistered_at is not None or runner.back_to in UNLAUNCHED
    if runner.state is RunnerState.REMOVING and gone:
        raise InvalidTransition(f"Runner {runner.name!r} is deregistered already", hint="Create it again")
    if runner.deadline is not None and runner.state in {RunnerState.REMOVING, RunnerState.STOPPING}:
        raise InvalidTransition(f"Runner {runner.name!r} was told to end now")


def _row(db: sqlite3.Connection, runner_id: str) -> Runner:
    row = db.execute(f"{rows.SELECT} WHERE id = ?", (runner_id,)).fetchone()
    if row is None:
        raise RunnerNotFound(f"No runner has the id {runner_id!r}")
    return rows.runner(row)
