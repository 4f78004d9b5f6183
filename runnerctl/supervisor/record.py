"""``supervisor.json``: what is known of the runner's processes, for others to read.

Replaced as a whole by rename, so that a reader never sees half of it. Readers must not trust job names.
"""

from __future__ import annotations

import os
import time

import jsontext
from exits import Exit
from processes import Process

STARTING, BUSY, LISTENING, UPDATING, STOPPING, EXITED = (
    "starting", "busy", "listening", "updating", "stopping", "exited",
)  # fmt: skip
_MAX_SIZE = 64 * 1024


class Job:
    """A job that runs or ran; ``result`` is None as long as nobody said one."""

    __slots__ = ("ended_at", "name", "result", "started_at")

    def __init__(self, name: str, *, started_at: float) -> None:
        self.name = name
        self.started_at = started_at
        self.result: str | None = None
        self.ended_at: float | None = None


class Record:
    """The fields of ``supervisor.json``; nothing is written before ``save``."""

    def __init__(self, run_dir: str, *, life: str, boot_id: str, supervisor: Process) -> None:
        self._path = f"{run_dir}/supervisor.json"
        self.life = life
        self.boot_id = boot_id
        self.supervisor = supervisor
        self.listener: Process | None = None
        self.phase = STARTING
        self.phase_at = time.time()
        self.online_at: float | None = None
        self.job: Job | None = None
        self.last_job: Job | None = None
        self.jobs_run = 0
        self.restarts = 0
        self.last_exit: Exit | None = None
        self.last_exit_at = 0.0
        self.stop_asked: str | None = None
        self.ended = False
        self.outcome: str | None = None
        self.reason: str | None = None

    def save(self) -> None:
        """Raises ``OSError``; what was saved before then stays."""
        text = jsontext.dumps(self._document()).encode()
        temporary = f"{self._path}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(temporary, flags, 0o600), "wb", buffering=0) as stream:
            if stream.write(text) != len(text):
                raise OSError(28, os.strerror(28), temporary)
        os.rename(temporary, self._path)

    def _document(self) -> dict[str, object]:
        job, last, ended = self.job, self.last_job, self.last_exit
        return {
            "format": 1,
            "id": self.life,
            "boot_id": self.boot_id,
            "supervisor": self.supervisor.identity(),
            "listener": self.listener and self.listener.identity(),
            "phase": self.phase,
            "phase_at": self.phase_at,
            "online_at": self.online_at,
            "job": job and {"name": job.name, "started_at": job.started_at},
            "last_job": last and {
                "name": last.name, "result": last.result, "started_at": last.started_at, "ended_at": last.ended_at,
            },
            "jobs_run": self.jobs_run,
            "restarts": self.restarts,
            "last_exit": ended and {
                "code": ended.code, "signal": ended.signal, "meaning": ended.meaning, "at": self.last_exit_at,
            },
            "stop_asked": self.stop_asked,
            "ended": self.ended,
            "outcome": self.outcome,
            "reason": self.reason,
        }  # fmt: skip


def listener_before(run_dir: str) -> tuple[str, int, int] | None:
    """(boot id, pid, start ticks) of the Listener in the record that a supervisor before us left, if there is one."""
    try:
        descriptor = os.open(f"{run_dir}/supervisor.json", os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        document = jsontext.loads(os.read(descriptor, _MAX_SIZE).decode())
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
    if not isinstance(document, dict) or not isinstance(document.get("listener"), dict):
        return None
    listener = document["listener"]
    return str(document.get("boot_id")), int(listener.get("pid", 0)), int(listener.get("start_ticks", 0))
