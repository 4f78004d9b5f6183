"""``supervisor.json``: what is known of the runner's processes, for others to read.

Replaced as a whole by rename, so that a reader never sees half of it. Readers must not trust job names.
"""

from __future__ import annotations

import json
import os
import time

import processes
from exits import Exit
from job import Job
from processes import Process

TYPE_CHECKING = False  # importing typing would cost milliseconds
if TYPE_CHECKING:
    from previous_record import PreviousRecord

_MOST_JOBS = 16
_MOST_BYTES = 64 * 1024
"""A manager of before reads no more. What jobs say is in it, up to 12 KiB each: the oldest are left out then."""
STARTING, BUSY, LISTENING, CONNECTING, UPDATING, STOPPING, EXITED = (
    "starting", "busy", "listening", "connecting", "updating", "stopping", "exited",
)  # fmt: skip


class Record:
    """The fields of ``supervisor.json``; nothing is written before ``save``."""

    def __init__(self, run_dir: str, *, life: str, boot_id: str, supervisor: Process, mode: int = 0o600) -> None:
        self._path = f"{run_dir}/supervisor.json"
        self._mode = mode
        self.life = life
        self.boot_id = boot_id
        self.namespaces = processes.namespaces()
        self.supervisor = supervisor
        self.listener: Process | None = None
        self.cgroup: str | None = None
        """The runner's own; None: its processes are known by a walk alone."""
        self.phase = STARTING
        self.phase_at = time.time()
        self.online_at: float | None = None
        self.job: Job | None = None
        self.jobs: list[Job] = []
        """The last ones that ended, oldest first: a manager may not be there to hear of each."""
        self.jobs_run = 0
        self.restarts = 0
        self.last_exit: Exit | None = None
        self.last_exit_at = 0.0
        self.stop_asked: str | None = None
        self.error: str | None = None
        """What its Listener said of why it is not online."""
        self.unprotected: str | None = None
        """What its jobs are not kept from, though they should be."""
        self.ended = False
        self.outcome: str | None = None
        self.reason: str | None = None

    @property
    def last_job(self) -> Job | None:
        return self.jobs[-1] if self.jobs else None

    def job_ended(self, job: Job) -> None:
        self.job = None
        self.jobs = [*self.jobs, job][-_MOST_JOBS:]

    @property
    def mark(self) -> str:
        return "walk" if self.cgroup is None else "cgroup"

    def resume(self, previous: PreviousRecord) -> None:
        """Goes on where the supervisor before us ended."""
        self.cgroup, self.stop_asked = previous.cgroup, previous.stop_asked
        self.phase, self.phase_at = previous.phase, previous.phase_at or self.phase_at
        self.online_at = previous.online_at
        self.job, self.jobs, self.error = previous.job, previous.jobs, previous.error
        self.unprotected = previous.unprotected
        self.jobs_run, self.restarts = previous.jobs_run, previous.restarts

    def save(self) -> None:
        """Raises ``OSError``; what was saved before then stays."""
        text = self._text()
        temporary = f"{self._path}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(temporary, flags, self._mode), "wb", buffering=0) as stream:
            if stream.write(text) != len(text):
                raise OSError(28, os.strerror(28), temporary)
        os.rename(temporary, self._path)

    def _text(self) -> bytes:
        """Of few jobs if those say much: who cannot read it takes the runner for one without processes."""
        while len(text := json.dumps(self._document()).encode()) > _MOST_BYTES and len(self.jobs) > 1:
            self.jobs = self.jobs[1:]
        return text

    def _document(self) -> dict[str, object]:
        job, last, ended = self.job, self.last_job, self.last_exit
        return {
            "format": 1,
            "id": self.life,
            "boot_id": self.boot_id,
            "namespaces": self.namespaces,
            "supervisor": self.supervisor.identity(),
            "listener": self.listener and self.listener.identity(),
            "mark": self.mark,
            "cgroup": self.cgroup,
            "phase": self.phase,
            "phase_at": self.phase_at,
            "online_at": self.online_at,
            "job": job and job.document(),
            "last_job": last and last.document(),
            "jobs": [each.document() for each in self.jobs],
            "jobs_run": self.jobs_run,
            "restarts": self.restarts,
            "last_exit": ended and {
                "code": ended.code, "signal": ended.signal, "meaning": ended.meaning, "at": self.last_exit_at,
            },
            "stop_asked": self.stop_asked,
            "error": self.error,
            "unprotected": self.unprotected,
            "ended": self.ended,
            "outcome": self.outcome,
            "reason": self.reason,
        }  # fmt: skip
