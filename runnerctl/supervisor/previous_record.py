"""What the supervisor before us left: its record, and what of the runner still lives."""

from __future__ import annotations

import json
import os

import cgroups
import processes
import record as records
import stopping
from job import Job, from_document, number
from launch import Launch
from processes import Process

_MAX_SIZE = 512 * 1024
"""More than any supervisor writes; those of before wrote up to 300 KiB."""
_PHASES = (
    records.STARTING, records.LISTENING, records.CONNECTING, records.BUSY, records.UPDATING, records.STOPPING,
)  # fmt: skip
_STOPS = (stopping.DRAIN, stopping.GRACE, stopping.NOW)


class PreviousRecord:
    """The last ``supervisor.json`` of a run directory; without one, or without a readable one, nothing is known."""

    __slots__ = (
        "_boot_id", "_document", "cgroup", "error", "job", "jobs", "jobs_run", "online_at", "phase", "phase_at",
        "restarts", "stop_asked", "unprotected",
    )  # fmt: skip

    def __init__(self, run_dir: str) -> None:
        document = self._document = _read(f"{run_dir}/supervisor.json")
        self._boot_id = document.get("boot_id")
        self.phase = _one_of(document.get("phase"), _PHASES) or records.STARTING
        self.phase_at = number(document.get("phase_at"))
        self.online_at = number(document.get("online_at"))
        self.error = _text(document.get("error"))
        self.unprotected = _text(document.get("unprotected"))
        self.job = from_document(document.get("job"))
        self.jobs = _jobs(document)
        self.jobs_run = int(number(document.get("jobs_run")) or 0)
        self.restarts = int(number(document.get("restarts")) or 0)
        self.stop_asked = _one_of(document.get("stop_asked"), _STOPS)
        cgroup = document.get("cgroup")
        self.cgroup = cgroup if isinstance(cgroup, str) and cgroup.startswith("/") else None

    def recorded(self) -> Process | None:
        """The Listener of the record, if it lives."""
        known = self._document.get("listener")
        if not isinstance(known, dict) or self._boot_id != processes.boot_id():
            return None
        seen = processes.look(int(number(known.get("pid")) or 0))
        return seen if seen and seen.lives and seen.start_ticks == known.get("start_ticks") else None

    def unseen(self, run_dir: str) -> str | None:
        """Why its Listener may live though we cannot see it; None if it cannot, or can be seen."""
        known = self._document.get("listener")
        if not isinstance(known, dict) or self._boot_id != processes.boot_id():
            return None
        pid = int(number(known.get("pid")) or 0)
        if self._document.get("namespaces") not in (None, "", processes.namespaces()):
            return "its Listener lives in another namespace" if _is_read(f"{run_dir}/out.fifo") else None
        hidden = pid > 0 and processes.is_hidden(pid)
        return f"/proc hides process {pid}, which may be its Listener" if hidden else None

    def listener(self, launch: Launch) -> Process | None:
        """The living Listener, also one whose supervisor died just after starting it."""
        if self._document.get("listener") is None:
            return processes.at_home(launch.root, processes.LISTENER, owner=launch.owner)
        return self.recorded()


def workers(launch: Launch, joined: str | None) -> list[Process]:
    """The Workers of that runner that live; all of them are in the cgroup that its Listener has ``joined``, if any."""
    cgroup = joined or launch.cgroup
    inside = set() if cgroup is None else cgroups.pids(cgroup)
    owner = launch.owner if joined is None else None
    return processes.workers(launch.root, life=launch.id, inside=inside, owner=owner)


def _is_read(fifo: str) -> bool:
    """A Listener has its own output open for reading, too."""
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW))
    except OSError:
        return False
    return True


def _read(path: str) -> dict[str, object]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return {}
    try:
        document = json.loads(os.read(descriptor, _MAX_SIZE).decode())
    except (OSError, ValueError):
        return {}
    finally:
        os.close(descriptor)
    return document if isinstance(document, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _one_of(value: object, allowed: tuple[str, ...]) -> str | None:
    return value if isinstance(value, str) and value in allowed else None


def _jobs(document: dict[str, object]) -> list[Job]:
    """An older supervisor kept the last one only."""
    kept = document.get("jobs")
    found = kept if isinstance(kept, list) else [document.get("last_job")]
    return [job for each in found if (job := from_document(each)) is not None]
