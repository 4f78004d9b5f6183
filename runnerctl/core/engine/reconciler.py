"""A server's engine: a queue of rows, and threads that take their steps.

Each row is on the queue at most once and in one thread's hands at a time. Steps that ask GitHub and such that fetch a
package have threads of their own, so that a GitHub that never answers delays no death, stop or drain. Nothing here
waits for a lock, a settle or a job: such a row comes back when it is due, or when somebody has heard of it.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from ..domain.errors import ConfigInvalid, RunnerctlError
from ..domain.models import Runner
from ..domain.states import Desired, RunnerState
from ..host.row_locks import RowHeld
from .advance import Progress, advance
from .lanes import THREADS, Lane, Pool, QueueState, lane_of, own_pools
from .making import Making
from .plan import Action
from .steps.acts import IDLE, UNLOCKED
from .table import Step

if TYPE_CHECKING:
    from ..services import Services

log = logging.getLogger("runnerctl.core")
T = TypeVar("T")

_HELD_SECONDS = 0.25
"""A command is at work on that row; what it leaves is looked at then."""
_FAILED_SECONDS = 10.0
"""After what no step should raise."""
_PACKAGE_SECONDS = 10.0
"""Another runner's package of that version is being fetched; the fetch's end calls all who wait for it."""


@dataclass(kw_only=True)
class _Row:
    lane: str = Lane.LOCAL
    at_work: bool = False
    since: float = 0.0
    """When it was handed out."""
    begun: bool = False
    """A thread has taken it since then."""
    again: bool = False
    """Something was heard of it while it was at work."""
    asking: bool = False
    """GitHub is asked about it in a thread that holds nothing: local steps go on beside that."""
    queued_at: float | None = None
    making: Making | None = None


@dataclass(kw_only=True)
class Beat:
    """Whether the engine is alive."""

    last: float = 0.0
    depth: int = 0
    errors: int = field(default=0)


class Reconciler:
    """``after`` is called, in any thread, whenever a row was looked at: its processes may be others now.

    ``pools`` are the threads of each lane, its own unless they are given.
    """

    def __init__(
        self,
        services: Services,
        *,
        absences: Callable[[Runner], int],
        after: Callable[[str], None] = lambda _runner_id: None,
        pools: Mapping[str, Pool] | None = None,
    ) -> None:
        self._services = services
        self._absences = absences
        self._after = after
        self._rows: dict[str, _Row] = {}
        self._due: list[tuple[float, str]] = []
        self._changed = threading.Condition()
        self._met: dict[str, str] = {}
        """By runner, what its last step met."""
        self._fetching: dict[tuple[str, str], set[str]] = {}
        """Packages that are being fetched, each with the rows that wait for it."""
        self._stopped = False
        self.beat = Beat()
        self._pools = own_pools() if pools is None else pools
        self._thread = threading.Thread(target=self._keep_handing_out, name="engine-queue", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begins nothing more; what is under way in a thread goes on to its step's end."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def enqueue(self, runner_id: str, *, seconds: float = 0.0) -> None:
        """That row is looked at ``seconds`` from now, or sooner if somebody else asks for that. Never waits."""
        with self._changed:
            if self._stopped:
                return
            row = self._rows.setdefault(runner_id, _Row())
            if row.at_work and seconds <= 0:
                row.again = True
            else:
                self._queue(runner_id, row, seconds)

    def make(self, making: Making) -> None:
        """Takes over what whoever admitted a runner holds, and makes it."""
        with self._changed:
            row = self._rows.setdefault(making.runner_id, _Row())
            # Most of its steps ask GitHub, and a package is mostly there: no thread hands it to another.
            row.making, row.lane = making, Lane.GITHUB
        self.enqueue(making.runner_id)

    def ask(self, question: Callable[[], T]) -> Future[T]:
        """What a request has to know of GitHub, asked in a thread that may wait for the answer."""
        answer: Future[T] = Future()
        self._pools[Lane.GITHUB].submit(_answer, question, answer)
        return answer

    PARTS = ("engine", "engine-local")
    """What `silent` may name."""

    def silent(self, seconds: float) -> list[str]:
        """Those of its parts of which nothing was heard for so long: what hands out rows, or all threads of a lane."""
        now = self._services.clock.monotonic()
        with self._changed:
            hung = Counter(row.lane for row in self._rows.values() if row.at_work and now - row.since > seconds)
        silent = ["engine"] if self.beat.last and now - self.beat.last > seconds else []
        # GitHub and downloads may take that long; what this host does may not.
        return silent + (["engine-local"] if hung[Lane.LOCAL] >= THREADS[Lane.LOCAL] else [])

    def state(self) -> QueueState:
        now = self._services.clock.monotonic()
        with self._changed:
            rows = list(self._rows.values())
            waited = [now - row.since for row in rows if row.at_work and not row.begun]
            waited += [now - row.queued_at for row in rows if row.queued_at is not None and row.queued_at <= now]
            at_work = Counter(row.lane for row in rows if row.begun)
        return QueueState(
            rows=len(rows),
            due=len(waited),
            oldest_due_seconds=max(waited, default=0.0),
            threads=THREADS,
            at_work={lane: at_work[lane] for lane in THREADS},
            errors=self.beat.errors,
        )

    # -- the queue; all under ``_changed``

    def _queue(self, runner_id: str, row: _Row, seconds: float) -> None:
        at = self._services.clock.monotonic() + seconds
        if row.queued_at is None or at < row.queued_at:
            row.queued_at = at
            heapq.heappush(self._due, (at, runner_id))
            self._changed.notify_all()

    def _keep_handing_out(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                try:
                    seconds = self.hand_out()
                except Exception:
                    self.beat.errors += 1
                    log.exception("the engine's queue goes on")
                    seconds = 1.0
                self._changed.wait(seconds)

    def hand_out(self) -> float:
        """Gives the threads what is due; returns in how many seconds, one at most, something may be due again."""
        with self._changed:
            now = self._services.clock.monotonic()
            self.beat.last, self.beat.depth = now, len(self._due)
            self._hand_out_due(now)
            left = self._due[0][0] - now if self._due else 1.0
            return min(max(left, 0.001), 1.0)

    def _hand_out_due(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            at, runner_id = heapq.heappop(self._due)
            row = self._rows.get(runner_id)
            if row is None or row.queued_at != at:
                continue  # it was asked for sooner meanwhile
            row.queued_at = None
            if row.at_work:
                row.again = True
                continue
            self._hand_to_thread(runner_id, row, now)

    def _hand_to_thread(self, runner_id: str, row: _Row, now: float) -> None:
        row.at_work, row.since = True, now
        try:
            self._pools[row.lane].submit(self._work, runner_id, row)
        except RuntimeError as exc:  # the host lets us have no thread now
            self._failed("no thread could be started", runner_id, exc)
            row.at_work = False
            self._queue(runner_id, row, _FAILED_SECONDS)

    # -- the work, in a pool's thread

    def _work(self, runner_id: str, row: _Row) -> None:
        row.begun = True
        lane: str = Lane.LOCAL
        seconds: float | None = _FAILED_SECONDS
        try:
            lane, seconds = self._taken(runner_id, row)
        except RowHeld:
            lane, seconds = row.lane, _HELD_SECONDS
        except RunnerctlError as exc:
            log.warning("runner %s could not be brought up to date: %s", runner_id, exc.message)
        except Exception as exc:
            self._failed("a step failed that should not", runner_id, exc)
        finally:
            self._done(runner_id, row, lane, seconds)

    def _taken(self, runner_id: str, row: _Row) -> tuple[str, float | None]:
        """(the lane of what is next, seconds until then)."""
        progress = self._advanced(runner_id, row)
        if progress.next is None or progress.error is not None or progress.next.step in IDLE:
            return Lane.LOCAL, self._seconds(runner_id, progress)
        if progress.next.step in UNLOCKED:
            if row.making is not None:
                row.making.close()  # it came to nothing, and whoever asks takes the row's lock
                row.making = None
            self._ask(runner_id, row)
            return Lane.LOCAL, None
        return lane_of(progress.next), self._seconds(runner_id, progress) or 0.0

    def _seconds(self, runner_id: str, progress: Progress) -> float | None:
        if progress.error is None:
            self._met.pop(runner_id, None)
            return progress.seconds
        self._tell_met(runner_id, progress, progress.error)
        # It is in the row, and when it is tried again; but that this process has no credentials is in no row.
        if progress.runner is None or isinstance(progress.error, ConfigInvalid):
            return _FAILED_SECONDS
        due = progress.runner.due  # none of one whose making failed: it is cleared away now
        return progress.seconds if due is None else max(0.0, due - self._services.clock.now())

    def _tell_met(self, runner_id: str, progress: Progress, error: RunnerctlError) -> None:
        """Once, though it is tried again and again; of one that could not be made, its end is told."""
        runner, taken = progress.runner, progress.taken
        if self._met.get(runner_id) == error.message or (runner is not None and runner.reason == error.message):
            return
        self._met[runner_id] = error.message
        name, step = runner_id if runner is None else runner.name, str(taken[-1].step) if taken else "a step"
        extra = {"runner": name, "runner_id": runner_id, "step": step, "code": error.code}
        log.warning("runner %s: %s failed and is tried again: %s", name, step, error.message, extra=extra)

    def _done(self, runner_id: str, row: _Row, lane: str, seconds: float | None) -> None:
        if not self._close_if_made(runner_id, row):
            seconds = _FAILED_SECONDS if seconds is None else seconds
        self._told(runner_id)
        with self._changed:
            row.at_work, row.begun, row.lane = False, False, lane
            if row.again:
                row.again, seconds = False, 0.0
            if seconds is not None and not self._stopped:
                self._queue(runner_id, row, seconds)
            self._forget(runner_id, row)

    def _forget(self, runner_id: str, row: _Row) -> None:
        idle = not row.at_work and not row.asking and row.queued_at is None
        if idle and row.making is None and self._rows.get(runner_id) is row:
            del self._rows[runner_id]

    def _close_if_made(self, runner_id: str, row: _Row) -> bool:
        """False: that could not be told, and has to be tried again."""
        try:
            if row.making is not None and self._is_made(runner_id):
                row.making.close()
                row.making = None
        except Exception as exc:
            self._failed("what a create holds could not be given up yet", runner_id, exc)
            return False
        return True

    def _told(self, runner_id: str) -> None:
        try:
            self._after(runner_id)
            self._services.runner_events.notify(runner_id)
        except Exception as exc:
            self._failed("what follows a step failed", runner_id, exc)

    def _failed(self, what: str, runner_id: str, exc: Exception) -> None:
        """Nobody is to be told but who reads the log: whatever fails here, the row comes back."""
        self.beat.errors += 1
        log.error(what, exc_info=exc, extra={"runner_id": runner_id})

    # -- what asks GitHub about a runner that lives

    def _ask(self, runner_id: str, row: _Row) -> None:
        with self._changed:
            if row.asking or self._stopped:
                return
            self._pools[Lane.GITHUB].submit(self._asked, runner_id, row)
            row.asking = True

    def _asked(self, runner_id: str, row: _Row) -> None:
        seconds: float | None = _FAILED_SECONDS
        try:
            progress = advance(
                self._services,
                runner_id,
                absences=self._absences,
                may=lambda _runner, action: action.step in UNLOCKED,
            )
            seconds = self._seconds(runner_id, progress) or 0.0
        except RowHeld:
            seconds = _HELD_SECONDS
        except RunnerctlError as exc:
            log.warning("GitHub could not be asked about runner %s: %s", runner_id, exc.message)
        except Exception as exc:
            self._failed("a question to GitHub failed that should not", runner_id, exc)
        finally:
            self._told(runner_id)
            with self._changed:
                row.asking = False
            if seconds is not None:
                self.enqueue(runner_id, seconds=seconds)

    def _is_made(self, runner_id: str) -> bool:
        """Or came to nothing."""
        runner = self._services.store.get(runner_id)
        if runner is None or not runner.live:
            return True
        # Of one that is not wanted any more nothing is made; what there is goes like that of any other.
        unwanted = runner.desired is Desired.GONE or runner.state is RunnerState.REMOVING
        return unwanted or runner.started_at is not None or runner.state is RunnerState.STOPPED

    def _advanced(self, runner_id: str, row: _Row) -> Progress:
        key = self._fetch_key(runner_id) if row.lane == Lane.PACKAGE else None
        if key is not None and not self._may_fetch(key, runner_id):
            return Progress(runner=None, next=Action(Step.FETCH_PACKAGE), not_now=True, seconds=_PACKAGE_SECONDS)
        try:
            return advance(
                self._services,
                runner_id,
                absences=self._absences,
                making=row.making,
                may=lambda _runner, action: action.step not in UNLOCKED and lane_of(action) in {Lane.LOCAL, row.lane},
            )
        finally:
            if key is not None:
                self._fetched(key)

    def _fetch_key(self, runner_id: str) -> tuple[str, str] | None:
        """None: no package is needed; one that was to be made and is unwanted by now waits for none."""
        runner = self._services.store.get(runner_id)
        if runner is None or (runner.desired is Desired.GONE and runner.started_at is None):
            return None
        return str(runner.scope), runner.version

    def _may_fetch(self, key: tuple[str, str], runner_id: str) -> bool:
        """False: another row's thread is at it, and calls this one."""
        with self._changed:
            if key in self._fetching:
                self._fetching[key].add(runner_id)
                return False
            self._fetching[key] = set()
            return True

    def _fetched(self, key: tuple[str, str]) -> None:
        with self._changed:
            for runner_id in self._fetching.pop(key):
                self.enqueue(runner_id)


def _answer(question: Callable[[], T], answer: Future[T]) -> None:
    try:
        answer.set_result(question())
    except BaseException as exc:
        answer.set_exception(exc)
