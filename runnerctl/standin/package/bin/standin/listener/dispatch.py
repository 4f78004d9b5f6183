"""The Listener's view of one job: its lease, the Worker process that runs it, and its result."""

from __future__ import annotations

import json
import os
import time

from .. import pace
from ..github import calls, http1
from ..github.run_service import JobService
from ..host import channel
from ..host.terminal import mark_milestone, say, timestamp
from ..host.waiting import DEFAULTS, SIGKILL
from .lease import HELD, Lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..host.terminal import DiagnosticLog

RESULTS = ("Succeeded", "SucceededWithIssues", "Failed", "Canceled", "Skipped", "Abandoned")
CANCELED, FAILED, ABANDONED = (RESULTS.index(name) for name in ("Canceled", "Failed", "Abandoned"))
_FIRST_CODE = 100
_NEVER = float("inf")


class RunningJob:
    """Its owner waits for ``descriptors()`` and ``due()``, and calls ``advance()``; then ``result`` may be there."""

    def __init__(self, job: dict[str, Any], *, program: str, log: DiagnosticLog) -> None:
        self.id = str(job["jobId"])
        self.name = str(job.get("jobDisplayName") or "")
        self.result: int | None = None
        self._job = job
        self._program = program
        self._log = log
        self._service = _service(job)
        self._ending: int | None = None  # what the Listener calls the job once it ends it itself
        self._kill_at = _NEVER
        self._worker: _Worker | None = None
        say(f"{timestamp()}: Running job: {self.name}")
        self._lease = Lease(self._service, log)

    def descriptors(self) -> list[int]:
        return [self._lease.fd, *([self._worker.ended] if self._worker else [])]

    def due(self) -> float:
        return self._kill_at

    def cancel(self, seconds: float) -> None:
        """Cancelled by the server, or given up; the Worker has a while to end (60 s at least, less the server's 15)."""
        self._kill_at = time.monotonic() + pace.scaled(max(seconds, 60.0) - 15.0)
        self._end(channel.CANCEL, CANCELED)

    def stop(self, kind: int) -> None:
        """We end; the Worker may take as long as it needs."""
        self._end(kind, CANCELED)

    def advance(self, ready: set[int]) -> None:
        if self._worker and self._worker.ended in ready:
            self._worker_ended(self._worker)
        elif self._lease.fd in ready:
            self._hear(self._lease.news())
        if self._worker and time.monotonic() >= self._kill_at:
            self._kill_at = _NEVER
            os.kill(self._worker.pid, SIGKILL)

    def _hear(self, news: bytes) -> None:
        if news != HELD and self._worker is None:
            # Not even started; and not a line is said about it.
            self._finish(ABANDONED)
        elif news != HELD:
            self._end(channel.CANCEL, ABANDONED)
        elif self._ending is None:
            mark_milestone("JobRequestRenewed_0")
            self._worker = _Worker(self._program, self._job, self._log)

    def _end(self, kind: int, result: int) -> None:
        if self._ending is not None or self.result is not None:
            return
        self._ending = result
        if self._worker is None:
            self._finish(result)
        else:
            self._worker.send(kind)

    def _worker_ended(self, worker: _Worker) -> None:
        code, said = worker.reap()
        if not self._log.write(f"Worker finished for job {self.id}. Code: {code}"):
            # The real one's tracing throws here, and nobody catches it: not a line, and no report.
            self._finish(FAILED)
            return
        known = code - _FIRST_CODE in range(len(RESULTS))
        if self._ending is None and not known:
            self._report_crash(code, said)
        result = self._ending
        if result is None:
            result = code - _FIRST_CODE if known else FAILED
        self._log.write(f"finish job request for job {self.id} with result: {RESULTS[result]}")
        say(f"{timestamp()}: Job {self.name} completed with result: {RESULTS[result]}")
        self._finish(result)

    def _finish(self, result: int) -> None:
        self.result = result
        self._lease.end()

    def _report_crash(self, code: int, said: str) -> None:
        """A Worker that died cannot report its job any more."""
        self._log.write(f"Return code {code} indicate worker encounter an unhandled exception or app crash")
        annotations = [{"level": "failure", "message": said}] if said.strip() else []
        try:
            self._service.complete({"conclusion": "failed", "annotations": annotations})
        except (calls.Refused, http1.Unreachable) as exc:
            self._log.write(f"Fail to raise job completion back to service: {exc}")


class _Worker:
    """``Runner.Worker spawnclient IN OUT``. ``ended`` becomes readable when nobody holds its error output any more."""

    def __init__(self, program: str, job: dict[str, Any], log: DiagnosticLog) -> None:
        mark_milestone("StartingWorkerProcess")
        self._log = log
        reads, self._to = os.pipe()
        self.ended, writes = os.pipe()
        self._errors, complains = os.pipe()
        for descriptor in (reads, writes, complains):
            os.set_inheritable(descriptor, True)
        actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, complains, 1),
                   (os.POSIX_SPAWN_DUP2, complains, 2), (os.POSIX_SPAWN_CLOSE, complains)]  # fmt: skip
        try:
            self.pid = os.posix_spawn(
                program, [program, "spawnclient", str(reads), str(writes)], os.environ, file_actions=actions,
                setsigmask=(), setsigdef=DEFAULTS,
            )  # fmt: skip
        finally:
            for descriptor in (reads, writes, complains):
                os.close(descriptor)
        self.send(channel.NEW_JOB, json.dumps(job))

    def send(self, kind: int, text: str = "") -> None:
        try:
            channel.send(self._to, kind, text)
        except BrokenPipeError:
            self._log.write("The worker is gone before it read its message")

    def reap(self) -> tuple[int, str]:
        """(exit code, what it complained about)."""
        _, status = os.waitpid(self.pid, 0)
        os.set_blocking(self._errors, False)
        try:
            said = os.read(self._errors, 65536).decode("utf-8", "replace")
        except BlockingIOError:
            said = ""
        for descriptor in (self._to, self.ended, self._errors):
            os.close(descriptor)
        return os.waitstatus_to_exitcode(status), said.rstrip()


def _service(job: dict[str, Any]) -> JobService:
    endpoints = job["resources"]["endpoints"]
    endpoint = next(each for each in endpoints if str(each["name"]).lower() == "systemvssconnection")
    token = str(endpoint["authorization"]["parameters"]["AccessToken"])
    if token.count(".") != 2:
        raise calls.Refused("The job's AccessToken is no JWT")
    return JobService(str(endpoint["url"]), token, plan_id=str(job["plan"]["planId"]), job_id=str(job["jobId"]))
