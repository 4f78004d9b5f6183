"""What is known of every runner: guarded transitions, an event log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..domain.clock import Clock
from ..domain.errors import InvalidTransition, QuotaExceeded, RunnerExists
from ..domain.models import Absence, Event, Runner, RunnerQuery, RunnerSpec, Sighting
from ..domain.paging import Page
from ..domain.phrases import counted
from ..domain.states import TERMINAL, Desired, RunnerState, may_follow
from . import rows, runner_order
from .api_tokens import ApiTokens
from .backoff import Backoffs
from .counts import Counts
from .idempotency import Idempotencies
from .jobs import Jobs
from .orphans import Orphans
from .sessions import Sessions
from .tenant_use import TenantUses
from .usage import Usages
from .wanted import Wanted

if TYPE_CHECKING:
    import random

    from ..access.grants import TokenLimits

_MOST_KNOWN = 8192
_NOTES = frozenset({
    "github_id", "github_status", "github_busy", "github_seen_at", "deregistered_at", "exposed_at",
    "due", "attempts", "last_error", "settle_until", "boot_id",
})  # fmt: skip
"""Facts about the world, and when the engine looks again: no decision that another writer could have made."""
_WISHES = frozenset({"desired", "how", "ending"})
REMOVE_FIRST = "Choose another name, or remove that runner first"
_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_LIVE_SQL = rows.LIVE_SQL


class Store(Wanted, Jobs, Usages, Orphans, Backoffs, ApiTokens, Sessions, TenantUses, Counts, Idempotencies):
    """The runners of one state directory. Safe for threads; each has a connection of its own."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        rng: random.Random,
        host: str,
        make: bool = True,
        empty: bool = False,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        """``notify`` is called with the id of each runner that was written about, once that is committed.

        What GitHub listed is not told: it is written of hundreds at a time, and mostly says what it said before.
        """
        self._notify = notify
        self._clock = clock
        self._rng = rng
        self._host = host
        self._known: dict[str, Runner] = {}
        super().__init__(path, make=make, empty=empty)

    # -- reading

    def latest(self, name: str) -> Runner | None:
        """The current or last life of that name."""
        query = "SELECT id, changes FROM runner WHERE lower(name) = ? ORDER BY seq DESC LIMIT 1"
        found = self._read(query, name.lower())
        if not found:
            return None
        runner_id, changes = found[0]
        # Most looks find a row that nobody has touched: reading and making it whole again costs more than the query.
        known = self._known.get(runner_id)
        return known if known is not None and known.changes == changes else self.get(runner_id)

    def get(self, runner_id: str) -> Runner | None:
        found = self._read(f"{rows.SELECT} WHERE id = ?", runner_id)
        return self._know(rows.runner(found[0])) if found else None

    def live(self) -> list[Runner]:
        """Every runner whose life has not ended, oldest first."""
        return self._found(f"WHERE {_LIVE_SQL} ORDER BY +seq")

    def _found(self, condition: str, *values: object) -> list[Runner]:
        """Those that fit, in the condition's order."""
        found = self._read(f"SELECT id, changes FROM runner {condition}", *values)
        known = [self._known.get(runner_id) for runner_id, _ in found]
        # Rows that nobody has touched are as they were: reading and making them whole again is most of an idle sweep.
        same = [each for each, (_, changes) in zip(known, found, strict=True) if each and each.changes == changes]
        if len(same) == len(found):
            return same
        return [self._know(rows.runner(row)) for row in self._read(f"{rows.SELECT} {condition}", *values)]

    def _know(self, runner: Runner) -> Runner:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[runner.id] = runner
        return runner

    def previous_github_id(self, runner: Runner) -> int | None:
        """GitHub's id of the last registration of that name in that scope, made by an earlier life."""
        found = self._read(
            "SELECT github_id FROM runner WHERE lower(name) = ? AND lower(scope) = ? AND seq < ?"
            " AND github_id IS NOT NULL ORDER BY seq DESC LIMIT 1",
            runner.name.lower(),
            str(runner.scope).lower(),
            runner.seq,
        )
        return int(found[0][0]) if found else None

    def host_ids(self) -> list[str]:
        """Which machines the newest rows are of, the newest first."""
        found = self._read("SELECT host_id FROM runner WHERE host_id IS NOT NULL ORDER BY seq DESC LIMIT 16")
        return [str(row[0]) for row in found]

    def page(self, query: RunnerQuery) -> Page[Runner]:
        """The runners that fit, in the query's order, up to its limit."""
        wanted, values = _conditions(query)
        order = runner_order.of(query.sort, every=_reaches_all(query))
        if query.after is not None:
            wanted.append(order.behind)
            values += order.values(query.after)
        condition = f"WHERE {' AND '.join(wanted or '1')} ORDER BY {order.sql} LIMIT ?"
        found = self._found(condition, *values, query.limit + 1)
        items = found[: query.limit]
        return Page(items=items, next=order.place(items[-1]) if len(found) > query.limit else None)

    # -- writing

    def new_id(self) -> str:
        """For a life that is to be admitted."""
        return "".join(self._rng.choice(_ID_ALPHABET) for _ in range(10))

    def admit(
        self,
        spec: RunnerSpec,
        *,
        root: Path,
        most: int | None = None,
        users: Sequence[tuple[int, int]] | None = None,
        limits: TokenLimits | None = None,
        github_calls: int | None = None,
        runner_id: str | None = None,
        by: str | None = None,
        backend: str = "process",
        host_id: str | None = None,
    ) -> Runner:
        """A new life in ``pending``, if its name is free on this host and fewer than ``most`` live.

        ``runner_id`` is one of ``new_id``, for a caller that must know it whatever happens here. It gets the first of
        ``users`` (uid, gid) that no live runner has; None: its jobs run as the manager. ``limits`` are the caller's,
        whose tenant may cost ``github_calls`` an hour. ``by`` says who wants it, ``backend`` and ``host_id`` where.
        Raises ``RunnerExists``, ``QuotaExceeded``, ``TooManyRequests`` or ``Forbidden``.
        """
        now = self._clock.now()
        runner_id = runner_id or self.new_id()
        values = {
            "id": runner_id,
            "host": self._host,
            "state": RunnerState.PENDING,
            "desired": Desired.RUNNING,
            "revision": 1,
            "root": str(root),
            "created_at": now,
            "changed_at": now,
            "wanted_at": now,
            "wanted_by": by,
            "backend": backend,
            "host_id": host_id,
            **rows.of_spec(spec),
        }
        with self._transaction() as db:
            self._check_quota(db, most)
            if limits is not None:
                self._check_tenant(db, spec, limits)
                if limits.tenant is not None and github_calls is not None:
                    self._check_use(db, limits.tenant, github_calls)
            if users is not None:
                values["job_uid"], values["job_gid"] = self._free_user(db, users)
            columns = rows.encoded(values)
            marks = ", ".join("?" * len(columns))
            try:
                db.execute(f"INSERT INTO runner ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))
            except sqlite3.IntegrityError as exc:
                if exc.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_UNIQUE:
                    raise
                raise self.name_taken(spec.name, limits) from exc
            first = Event(runner_id=runner_id, at=now, old=None, new=RunnerState.PENDING, reason=None)
            self._insert_step(db, first, by=by)
        self._changed(runner_id)
        return self._must_get(runner_id)

    def transition(self, runner: Runner, *states: RunnerState, why: str | None = None, **changes: Any) -> Runner:
        """Moves ``runner`` along the table (through ``states`` in order) and writes ``changes`` with it, in one commit.

        ``why`` goes into the history.
        Raises ``InvalidTransition`` when the table forbids it or when the row moved on since ``runner`` was read.
        """
        now = self._clock.now()
        old = runner.state
        with self._transaction() as db:
            for new in states:
                if not may_follow(old, new):
                    raise InvalidTransition(f"Runner {runner.name!r} cannot go from {old} to {new}")
                self._insert_step(db, Event(runner_id=runner.id, at=now, old=old, new=new, reason=why))
                old = new
            self._note_end(db, runner.tenant, states)
            ended = {"ended_at": now} if old in TERMINAL else {}
            self._update(db, runner, {"state": old, "changed_at": now, **ended, **changes})
            if ended:
                db.execute("DELETE FROM absence WHERE runner_id = ?", (runner.id,))
        self._changed(runner.id)
        return self._must_get(runner.id)

    def amend(self, runner: Runner, **changes: Any) -> Runner:
        """Writes ``changes`` without a change of state; refused like a transition when the row moved on."""
        with self._transaction() as db:
            self._update(db, runner, changes)
        self._changed(runner.id)
        return self._must_get(runner.id)

    def note(self, runner_id: str, **facts: Any) -> Runner:
        """Writes down what no revision guards; whoever is about to take a step for the runner is not disturbed.

        Raises ``TypeError`` for a field that only ``amend`` and ``transition`` may write.
        """
        if not facts.keys() <= _NOTES:
            raise TypeError(f"not to be noted: {', '.join(sorted(facts.keys() - _NOTES))}")
        columns = rows.encoded(facts)
        assignments = ", ".join(f"{column} = ?" for column in columns)
        with self._transaction() as db:
            db.execute(f"UPDATE runner SET {assignments} WHERE id = ?", (*columns.values(), runner_id))
        self._changed(runner_id)
        return self._must_get(runner_id)

    def note_sightings(self, sightings: Iterable[Sighting]) -> None:
        """What GitHub listed, in one commit; no change of the rows that any writer could mind."""
        with self._transaction() as db:
            db.executemany(
                "UPDATE runner SET github_status = ?, github_busy = ?, github_seen_at = ?, offline_since = ?"
                " WHERE id = ?",
                [(seen.status, int(seen.busy), seen.at, seen.offline_since, seen.runner_id) for seen in sightings],
            )

    def note_exposures(self, found: Mapping[str, float | None]) -> None:
        """By life, when its repository was found to be public, None for one that is not; the same kind of note."""
        with self._transaction() as db:
            db.executemany(
                "UPDATE runner SET exposed_at = ? WHERE id = ?", [(at, runner_id) for runner_id, at in found.items()]
            )
        for runner_id in found:
            self._changed(runner_id)

    def absences(self) -> dict[str, Absence]:
        """By life; one that was seen again, or never missed, is not among them."""
        found = self._read("SELECT runner_id, times, counted_at FROM absence")
        return {runner_id: Absence(times, counted_at) for runner_id, times, counted_at in found}

    def note_absences(self, missed: Mapping[str, Absence], *, seen: Iterable[str]) -> None:
        """Lives that a listing did not hold, and such as it held again, in one commit."""
        with self._transaction() as db:
            db.executemany("DELETE FROM absence WHERE runner_id = ?", [(runner_id,) for runner_id in seen])
            db.executemany(
                # It may have ended since GitHub was asked.
                "INSERT OR REPLACE INTO absence (runner_id, times, counted_at)"
                f" SELECT id, ?, ? FROM runner WHERE id = ? AND {_LIVE_SQL}",
                [(*absence, runner_id) for runner_id, absence in missed.items()],
            )

    # -- another machine

    def rehost(self, host_id: str) -> None:
        """All that lives is on that machine from now on."""
        with self._transaction() as db:
            db.execute(f"UPDATE runner SET host_id = ? WHERE {_LIVE_SQL}", (host_id,))

    def disown(self) -> None:
        """Nothing here says any more that a registration at GitHub is ours, or is to be deleted or made again."""
        with self._transaction() as db:
            db.execute("UPDATE runner SET github_id = NULL, asked_at = NULL, revision = revision + 1")
            db.execute("DELETE FROM orphan WHERE kind = 'registration'")  # directories are this machine's copies
            for table in ("replacement", "absence"):
                db.execute(f"DELETE FROM {table}")

    # -- forgetting

    def ended_before(self, when: float, *, limit: int) -> list[str]:
        """The lives that ended before then and that nothing to be done needs, oldest first."""
        query = (
            f"SELECT id FROM runner WHERE NOT ({_LIVE_SQL}) AND ended_at < ?"
            " AND NOT EXISTS (SELECT 1 FROM orphan WHERE orphan.runner_id = runner.id)"
            " AND NOT EXISTS (SELECT 1 FROM replacement WHERE replacement.runner_id = runner.id) ORDER BY seq LIMIT ?"
        )
        return [str(row[0]) for row in self._read(query, when, limit)]

    def forget(self, runner_ids: Sequence[str]) -> int:
        """Deletes lives that have ended, with their history; says how many events that were."""
        marks = ", ".join("?" * len(runner_ids))
        ended = f"(SELECT id FROM runner WHERE id IN ({marks}) AND NOT ({_LIVE_SQL}))"
        with self._transaction() as db:
            db.execute(f"DELETE FROM job WHERE runner_id IN {ended}", tuple(runner_ids))
            events = db.execute(f"DELETE FROM event WHERE runner_id IN {ended}", tuple(runner_ids)).rowcount
            db.execute(f"DELETE FROM absence WHERE runner_id IN {ended}", tuple(runner_ids))
            db.execute(f"DELETE FROM runner WHERE id IN {ended}", tuple(runner_ids))
        return events

    # -- inside

    @staticmethod
    def _check_quota(db: sqlite3.Connection, most: int | None) -> None:
        if most is None:
            return
        living = db.execute(f"SELECT count(*) FROM runner WHERE {_LIVE_SQL}").fetchone()[0]
        if living >= most:
            raise QuotaExceeded(
                f"This host has {counted(living, 'runner')}, and max_runners allows {most}",
                hint="Remove a runner or wait for one to end, or raise max_runners",
            )

    def name_taken(self, name: str, limits: TokenLimits | None) -> RunnerExists:
        """To be raised for that name; another runner is named to who may see it."""
        other = self.latest(name)
        if other is None or other.name == name:
            return RunnerExists(f"Runner {name!r} already exists", hint=REMOVE_FIRST)
        from ..access import policy

        shown = repr(other.name) if policy.sees(limits, other) else "of that name"
        return RunnerExists(
            f"Runner {shown} already exists: upper and lower case make no difference", hint=REMOVE_FIRST
        )

    @staticmethod
    def _free_user(db: sqlite3.Connection, users: Sequence[tuple[int, int]]) -> tuple[int, int]:
        taken = {row[0] for row in db.execute(f"SELECT job_uid FROM runner WHERE {_LIVE_SQL} AND job_uid IS NOT NULL")}
        for uid, gid in users:
            if uid not in taken:
                return uid, gid
        raise QuotaExceeded(
            "Every user in run_as already has a runner or processes, or left something on the host",
            hint="Remove a runner or wait for one to end, or name more users in run_as (`runnerctl doctor` shows more)",
        )

    def _update(self, db: sqlite3.Connection, runner: Runner, changes: dict[str, Any]) -> None:
        columns = rows.encoded(changes)
        assignments = ", ".join(f"{column} = ?" for column in columns)
        # Who writes what is wanted must have seen what others want; all else they may want meanwhile.
        unwanted = "" if _WISHES.isdisjoint(changes) else f" AND wants = {runner.wants:d}"
        done = db.execute(
            f"UPDATE runner SET {assignments}, revision = revision + 1 WHERE id = ? AND revision = ?{unwanted}",
            (*columns.values(), runner.id, runner.revision),
        )
        if done.rowcount != 1:
            raise InvalidTransition(f"Runner {runner.name!r} was changed by another command", hint="Try again")

    def _must_get(self, runner_id: str) -> Runner:
        runner = self.get(runner_id)
        assert runner is not None, runner_id  # noqa: S101 - rows are deleted long after their end only
        return runner


def _reaches_all(query: RunnerQuery) -> bool:
    """Whether it may be about all that ever ended, too."""
    return query.every or query.state is not None


def _conditions(query: RunnerQuery) -> tuple[list[str], list[object]]:
    wanted = [] if _reaches_all(query) else [_LIVE_SQL]
    values: list[object] = []
    for condition, value in (
        ("state = ?", None if query.state is None else str(query.state)),
        ("lower(scope) = ?", None if query.scope is None else query.scope.lower()),
        ("tenant = ?", query.tenant),
        ("changed_at >= ?", query.since),
        (None, None) if query.label is None else rows.bears(query.label),
    ):
        if condition is not None and value is not None:
            wanted.append(condition)
            values.append(value)
    return wanted, values
