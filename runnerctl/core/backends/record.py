"""The supervisor's record of its runner, ``supervisor.json``, and what it says together with ``/proc``."""

from __future__ import annotations

import os

import msgspec

from .. import processes
from ..models import ProcessId
from .base import NOTHING, Observation, Outcome, Phase

_MAX_SIZE = 64 * 1024


class _Process(msgspec.Struct, frozen=True):
    pid: int
    start_ticks: int


class _Job(msgspec.Struct, frozen=True):
    name: str
    started_at: float | None = None
    result: str | None = None
    ended_at: float | None = None


class Record(msgspec.Struct, frozen=True):
    """What the supervisor wrote last; ``runnerctl/supervisor`` documents the fields."""

    boot_id: str
    supervisor: _Process
    phase: Phase
    listener: _Process | None = None
    online_at: float | None = None
    job: _Job | None = None
    last_job: _Job | None = None
    jobs_run: int = 0
    ended: bool = False
    outcome: Outcome | None = None
    reason: str | None = None

    @property
    def supervisor_process(self) -> ProcessId:
        return self._identity(self.supervisor)

    @property
    def listener_process(self) -> ProcessId | None:
        return None if self.listener is None else self._identity(self.listener)

    def _identity(self, process: _Process) -> ProcessId:
        return ProcessId(pid=process.pid, start_ticks=process.start_ticks, boot_id=self.boot_id)


_decode = msgspec.json.Decoder(Record).decode


def read(path: str) -> Record | None:
    """None when there is none, or none that can be read: then nothing is known of the processes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _decode(os.read(descriptor, _MAX_SIZE))
    except (OSError, msgspec.DecodeError):
        return None
    finally:
        os.close(descriptor)


def observe(record: Record | None) -> Observation:
    """The record as far as the kernel bears it out."""
    if record is None:
        return NOTHING
    listener, supervisor, boot = record.listener, record.supervisor, record.boot_id
    running = listener is not None and processes.lives(listener.pid, listener.start_ticks, boot)
    supervised = None
    if not running:
        supervised = not record.ended and processes.lives(supervisor.pid, supervisor.start_ticks, boot)
    job, last = record.job, record.last_job
    return Observation(
        running=running,
        supervised=supervised,
        pid=listener.pid if running and listener is not None else None,
        phase=record.phase if running or supervised or record.ended else Phase.EXITED,
        job=job.name if job and running else None,
        job_started_at=job.started_at if job and running else None,
        last_job=last.name if last else None,
        last_job_result=last.result if last else None,
        last_job_ended_at=last.ended_at if last else None,
        jobs_run=record.jobs_run,
        online_at=record.online_at,
        ended=record.ended,
        outcome=record.outcome,
        reason=record.reason,
    )
