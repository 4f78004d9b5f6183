"""The supervisor's record of its runner, ``supervisor.json``, and what it says together with ``/proc``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from ..domain import jobs
from ..domain.errors import BackendFailed, NotVisible
from ..domain.models import ProcessId
from ..domain.observation import NOTHING, UNKNOWN, Observation, Outcome, Phase, SeenJob
from ..host.liveness import Liveness
from ..host.visibility import Unseen
from . import held_files

_MAX_SIZE = 512 * 1024
"""More than any supervisor writes; those of before wrote up to 300 KiB."""


class Record(NamedTuple):
    """What the supervisor wrote last; ``runnerctl/supervisor/record.py`` documents the fields."""

    supervisor: ProcessId
    listener: ProcessId | None
    phase: Phase
    online_at: float | None
    job: SeenJob | None
    jobs: tuple[SeenJob, ...]
    """The last that ended."""
    jobs_run: int
    ended: bool
    outcome: Outcome | None
    reason: str | None
    cgroup: str | None
    stop_asked: bool = False
    error: str | None = None
    phase_at: float | None = None
    crashed: bool = False
    unprotected: str | None = None


_FAULTS = frozenset(128 + number for number in (4, 5, 6, 7, 8, 9, 11))
"""A shell's and .NET's exit codes for what a signal ended: SIGABRT (no libicu, a full disk), SIGKILL (no memory) …"""


def decode(text: bytes) -> Record:
    """Raises ``ValueError``, ``KeyError`` or ``TypeError`` for anything that no supervisor wrote."""
    document = json.loads(text)
    get, counted = document.get, (document["boot_id"], str(document.get("namespaces") or ""))
    return Record(
        supervisor=_process(document["supervisor"], *counted),
        listener=_process(document["listener"], *counted) if get("listener") else None,
        phase=Phase(document["phase"]),
        online_at=get("online_at"),
        job=_running(_job(get("job"))),
        jobs=_jobs(document),
        jobs_run=int(get("jobs_run", 0)),
        ended=bool(get("ended")),
        outcome=Outcome(document["outcome"]) if get("outcome") else None,
        reason=get("reason"),
        cgroup=get("cgroup"),
        stop_asked=bool(get("stop_asked")),
        error=get("error"),
        phase_at=get("phase_at"),
        crashed=_is_crash(get("last_exit")),
        unprotected=get("unprotected"),
    )


def _is_crash(last_exit: dict[str, Any] | None) -> bool:
    """A Listener that was adopted died of it, too, if its exit is not known: one that means to end says so before."""
    if not last_exit:
        return False
    code, signal = last_exit.get("code"), last_exit.get("signal")
    return code in _FAULTS if code is not None else True if signal is None else bool(signal)


def _process(document: dict[str, int], boot_id: str, namespaces: str) -> ProcessId:
    return ProcessId(int(document["pid"]), int(document["start_ticks"]), str(boot_id), namespaces)


def _running(job: SeenJob | None) -> SeenJob | None:
    """What was said of its end while it ran was said too soon: it may be its own word."""
    return job and job._replace(result=None, result_from=None, reason=None)


def _jobs(document: dict[str, Any]) -> tuple[SeenJob, ...]:
    """A supervisor of before kept the last one only."""
    kept = document["jobs"] if "jobs" in document else [document.get("last_job")]
    return tuple(job for each in kept if (job := _job(each)) is not None)


def _job(document: dict[str, Any] | None) -> SeenJob | None:
    if not document:
        return None
    get, origin = document.get, document.get("origin") or {}
    result = jobs.result(get("result"))
    return SeenJob(
        name=str(document["name"]),
        started_at=float(get("started_at") or 0.0),
        ended_at=get("ended_at"),
        result=result,
        result_from=jobs.source(get("result_from")) if result else None,
        reason=get("reason"),
        **{name: str(origin[name]) for name in jobs.ORIGIN if name in origin},
    )


class _Known(NamedTuple):
    """A record that was read, with what follows from it while its Listener lives."""

    version: tuple[int, int]
    record: Record
    watched: tuple[Any, ...]
    """An observation but for when it began: its supervisor lives and tells all that happens."""
    unwatched: tuple[Any, ...]
    watching: tuple[ProcessId, ...]
    """Its supervisor and its Listener, if both should live."""


class Records:
    """The records below ``runs_dir``; each is decoded once for as long as its file stays the same.

    Raises ``BackendFailed`` where one, or a process, could not be observed: that says nothing of the runner.
    """

    def __init__(self, runs_dir: str, *, limit: int = 4096, now: Callable[[], float] = time.time) -> None:
        self._runs_dir = runs_dir
        self._now = now
        self._limit = limit
        self._known: dict[str, _Known] = {}
        self._liveness = Liveness(limit=limit)

    def read(self, runner_id: str) -> Record | None:
        """None when there is none, or what is there was written by no supervisor."""
        known = self._look_up(runner_id)
        return known.record if known else None

    def observe(self, runner_id: str) -> Observation:
        """The record as far as the kernel bears it out; unknown where its processes cannot be seen from here."""
        began = self._now()
        known = self._look_up(runner_id)
        if known is None:
            return NOTHING._replace(began=began)
        try:
            return self._observed(known, began)
        except Unseen as exc:
            if self.is_certainly_dead(runner_id):
                return _observation(known.record, running=False, supervised=False)._replace(began=began)
            return UNKNOWN._replace(error=exc.strerror, began=began)
        except OSError as exc:
            raise BackendFailed(f"The processes of runner {runner_id} could not be observed: {exc.strerror}") from exc

    def _observed(self, known: _Known, began: float) -> Observation:
        if known.watching and self._liveness.all_live(known.watching):
            return Observation._make((*known.watched, began))  # nearly always, and a status must be quick
        record, lives = known.record, self._liveness.lives
        supervised = not record.ended and lives(record.supervisor)
        if record.listener is not None and lives(record.listener):
            return Observation._make((*(known.watched if supervised else known.unwatched), began))
        return _observation(record, running=False, supervised=supervised)._replace(began=began)

    def told(self, runner_id: str, *, began: float) -> Observation:
        """The record as it stands, of one whose processes somebody has seen in another way."""
        known = self._look_up(runner_id)
        return NOTHING._replace(began=began) if known is None else Observation._make((*known.watched, began))

    def is_certainly_dead(self, runner_id: str) -> bool:
        """Neither its supervisor nor its Listener holds what it holds while it lives, wherever one looks from."""
        run_dir = f"{self._runs_dir}/{runner_id}"
        try:
            return not held_files.is_supervised(run_dir) and not held_files.has_listener(run_dir)
        except OSError:
            return False  # they are another user's, for one

    def supervised(self, runner_id: str) -> bool:
        """Its supervisor lives and has not said its last word. Raises ``NotVisible`` where that cannot be told."""
        known = self._look_up(runner_id)
        return known is not None and not known.record.ended and self._lives(runner_id, known.record.supervisor)

    def processes(self, runner_id: str) -> tuple[ProcessId, ...]:
        """Those that its supervisor told of last, itself first, living or not; none once it has said its last word."""
        record = self.read(runner_id)
        if record is None or record.ended:
            return ()
        return (record.supervisor,) if record.listener is None else (record.supervisor, record.listener)

    def _lives(self, runner_id: str, process: ProcessId) -> bool:
        try:
            return self._liveness.lives(process)
        except Unseen as exc:
            raise NotVisible(f"The processes of runner {runner_id} cannot be seen from here: {exc.strerror}") from exc
        except OSError as exc:
            raise BackendFailed(f"Process {process.pid} could not be observed: {exc.strerror}") from exc

    def forget(self, runner_id: str) -> None:
        """Its life has ended: nothing of it is held any longer."""
        self._let_go(runner_id, set())

    def _let_go(self, runner_id: str, kept: set[ProcessId | None]) -> None:
        known = self._known.pop(runner_id, None)
        if known is not None:
            for process in (known.record.supervisor, known.record.listener):
                if process is not None and process not in kept:
                    self._liveness.forget(process)

    def _look_up(self, runner_id: str) -> _Known | None:
        try:
            return self._seen(runner_id, f"{self._runs_dir}/{runner_id}/supervisor.json")
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise BackendFailed(f"The record of runner {runner_id} could not be read: {exc.strerror}") from exc

    def _seen(self, runner_id: str, path: str) -> _Known | None:
        seen = os.stat(path, follow_symlinks=False)  # noqa: PTH116 - a Path costs more than the look
        # The supervisor replaces the file whole: another content is another inode.
        version = (seen.st_ino, seen.st_mtime_ns)
        known = self._known.get(runner_id)
        if known is not None and known.version == version:
            return known
        return self._learn(runner_id, _read(path), version)

    def _learn(self, runner_id: str, record: Record | None, version: tuple[int, int]) -> _Known | None:
        if record is None:
            return None
        if len(self._known) >= self._limit:
            self._known.clear()
        self._let_go(runner_id, {record.supervisor, record.listener})
        known = _Known(
            version=version,
            record=record,
            watched=_observation(record, running=True, supervised=True)[:-1],
            unwatched=_observation(record, running=True, supervised=False)[:-1],
            watching=() if record.ended or record.listener is None else (record.supervisor, record.listener),
        )
        self._known[runner_id] = known
        return known


def _read(path: str) -> Record | None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return decode(os.read(descriptor, _MAX_SIZE))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    finally:
        os.close(descriptor)


def _observation(record: Record, *, running: bool, supervised: bool) -> Observation:
    job, last = record.job, record.jobs[-1] if record.jobs else None
    # A job can forge the line that changes the phase, not the end of its Worker, which its supervisor sees.
    watched = running and supervised
    return Observation(
        running=running,
        supervised=supervised,
        pid=record.listener.pid if running and record.listener is not None else None,
        phase=record.phase if running or supervised or record.ended else Phase.EXITED,
        job=job.name if job and running else None,
        job_started_at=(job.started_at or None) if job and running else None,
        last_job=last.name if last else None,
        last_job_result=last.result if last else None,
        last_job_ended_at=last.ended_at if last else None,
        jobs_run=record.jobs_run,
        online_at=record.online_at,
        stop_asked=record.stop_asked,
        error=record.error,
        ended=record.ended,
        outcome=record.outcome,
        reason=record.reason,
        unprotected=record.unprotected,
        phase_at=record.phase_at,
        crashed=record.crashed,
        working=(job is not None or record.phase is Phase.BUSY) if watched else None,
        jobs=record.jobs if job is None else (*record.jobs, job),
    )
