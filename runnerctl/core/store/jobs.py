"""The jobs that runners ran: when each began and ended, and how."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ..domain.jobs import LISTENER, ORIGIN
from ..domain.models import EventType, Job, JobQuery, RunJob
from ..domain.observation import SeenJob
from ..domain.paging import Page, Place
from . import rows
from .events import Events

_COLUMNS = (
    "id, runner_id, name, repository, workflow, run_id, started_at, ended_at, result, reason, result_from, run_attempt"
)
_SELECT = f"SELECT {_COLUMNS} FROM job"


def news(known: Job, seen: SeenJob) -> dict[str, Any]:
    """What the row does not say yet, by column. The Listener's exit status outweighs the log, and nothing that."""
    learned = {name: told for name in ORIGIN if (told := getattr(seen, name)) and getattr(known, name) is None}
    if known.ended_at is None and seen.ended_at is not None:
        learned["ended_at"] = seen.ended_at
    said = (seen.result, seen.result_from)
    if seen.result is not None and known.result_from != LISTENER and said != (known.result, known.result_from):
        learned |= {"result": seen.result, "result_from": seen.result_from, "reason": seen.reason}
    elif seen.reason is not None and known.reason is None and known.result is None:
        learned["reason"] = seen.reason
    return learned


class Jobs(Events):
    """Part of the store."""

    def note_job(self, runner_id: str, seen: SeenJob) -> None:
        """What is known of it now: it began, where it comes from, it ended. What is known already is nothing new.

        A result that was unknown may come later, and the Listener's exit status outweighs the log.
        """
        with self._transaction() as db:
            where = f"{_SELECT} WHERE runner_id = ? AND started_at = ?"
            row = db.execute(where, (runner_id, seen.started_at)).fetchone()
            known = self._begin(db, runner_id, seen) if row is None else rows.job(row)
            learned = news(known, seen)
            if learned:
                assignments = ", ".join(f"{column} = ?" for column in learned)
                db.execute(f"UPDATE job SET {assignments} WHERE id = ?", (*learned.values(), known.id))
            if not learned.keys().isdisjoint({"ended_at", "result"}):
                self._end(db, known._replace(**learned))
        if row is None or learned:
            self._changed(runner_id)

    def _begin(self, db: sqlite3.Connection, runner_id: str, seen: SeenJob) -> Job:
        made = db.execute(
            f"INSERT INTO job (runner_id, name, started_at) VALUES (?, ?, ?) RETURNING {_COLUMNS}",
            (runner_id, seen.name, seen.started_at),
        )
        job = rows.job(made.fetchone())
        data = {"id": job.id, "name": job.name, **{name: getattr(seen, name) for name in ORIGIN}}
        self._insert_event(db, EventType.JOB, at=job.started_at, runner_id=runner_id, data=data)
        return job

    def _end(self, db: sqlite3.Connection, job: Job) -> None:
        told = {name: getattr(job, name) for name in ("id", "name", "ended_at", "seconds", "result", "result_from")}
        at = job.started_at if job.ended_at is None else job.ended_at
        self._insert_event(db, EventType.JOB, at=at, runner_id=job.runner_id, data=told, reason=job.reason)

    def jobs_since(self, runner_id: str, started_at: float) -> list[Job]:
        """Those of that runner that began then or later, oldest first."""
        query = f"{_SELECT} WHERE runner_id = ? AND started_at >= ? ORDER BY started_at"
        return [rows.job(row) for row in self._read(query, runner_id, started_at)]

    def unfinished_jobs(self, runner_id: str) -> list[Job]:
        """Those of that runner of whose end nothing is known yet."""
        query = f"{_SELECT} WHERE runner_id = ? AND ended_at IS NULL ORDER BY started_at"
        return [rows.job(row) for row in self._read(query, runner_id)]

    def last_job(self, runner_id: str) -> Job | None:
        return self.last_jobs([runner_id]).get(runner_id)

    def last_jobs(self, runner_ids: Sequence[str]) -> Mapping[str, Job]:
        """By runner, the last that ended; those that ran none are missing."""
        marks = ", ".join("?" * len(runner_ids))
        query = (
            f"SELECT {_COLUMNS}, max(started_at) FROM job"
            f" WHERE runner_id IN ({marks}) AND ended_at IS NOT NULL GROUP BY runner_id"
        )
        found = (rows.job(row[:-1]) for row in self._read(query, *runner_ids))
        return {job.runner_id: job for job in found}

    def jobs_page(self, query: JobQuery) -> Page[RunJob]:
        """The jobs that fit, the latest first, up to the query's limit."""
        wanted: list[str] = ["1"]
        values: list[object] = []
        for condition, value in (
            ("job.id < ?", None if query.after is None else query.after.number),
            ("lower(runner.name) = ?", None if query.runner is None else query.runner.lower()),
            ("lower(coalesce(job.repository, runner.scope)) = ?", None if query.repo is None else query.repo.lower()),
            ("job.result = ?", query.result),
            ("job.started_at >= ?", query.since),
            ("runner.tenant = ?", query.tenant),
        ):
            if value is not None:
                wanted.append(condition)
                values.append(value)
        columns = ", ".join(f"job.{column}" for column in _COLUMNS.split(", "))
        statement = (
            f"SELECT {columns}, runner.name, runner.scope FROM job JOIN runner ON runner.id = job.runner_id"
            f" WHERE {' AND '.join(wanted)} ORDER BY job.id DESC LIMIT ?"
        )
        found = self._read(statement, *values, query.limit + 1)
        items = [RunJob(rows.job(row[:-2]), *row[-2:]) for row in found[: query.limit]]
        return Page(items=items, next=Place(items[-1].job.id) if len(found) > query.limit else None)
