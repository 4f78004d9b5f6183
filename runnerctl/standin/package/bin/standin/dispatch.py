"""The Listener's view of one job: the Worker process that runs it."""

from __future__ import annotations

import os
import time

from . import channel, http1, jsontext
from .runservice import JobLost
from .waiting import DEFAULTS, SIGKILL

TYPE_CHECKING = False  # importing typing would cost 15 ms
if TYPE_CHECKING:
    from typing import Any

    from .runservice import RunService
    from .terminal import DiagnosticLog

RESULTS = ("Succeeded", "SucceededWithIssues", "Failed", "Canceled", "Skipped", "Abandoned")
CANCELED = RESULTS.index("Canceled")
FAILED = RESULTS.index("Failed")
_RENEW_SECONDS = 60.0
_CANCEL_SECONDS = 45.0  # the server allows 60 and wants 15 of them for itself


class RunningJob:
    """Started by its constructor. ``fd`` becomes readable when the Worker is gone; then ``result`` tells the end."""

    def __init__(
        self, job: dict[str, Any], service: RunService, *, program: str, connection: dict[str, Any], log: DiagnosticLog
    ) -> None:
        self.job = job
        self.name = str(job.get("jobDisplayName") or job.get("job") or "job")
        self._service = service
        self._log = log
        self._renew_at = time.monotonic() + _RENEW_SECONDS
        self._kill_at = float("inf")
        self._pid, self._to_worker, self.fd = _spawn(program)
        self._send(channel.NEW_JOB, jsontext.dumps({"job": job, "connection": connection}))

    def cancel(self) -> None:
        self._kill_at = time.monotonic() + _CANCEL_SECONDS
        self._send(channel.CANCEL)

    def shut_down(self) -> None:
        self._send(channel.SHUTDOWN)

    def due(self) -> float:
        """The moment (monotonic) at which ``keep_alive`` has something to do."""
        return min(self._renew_at, self._kill_at)

    def keep_alive(self) -> None:
        now = time.monotonic()
        if now >= self._kill_at:
            self._kill_at = float("inf")
            os.kill(self._pid, SIGKILL)
        if now >= self._renew_at:
            self._renew_at = now + _RENEW_SECONDS
            try:
                self._service.renew(self.job)
            except (JobLost, http1.Unreachable) as exc:
                self._log.write(f"renew job request failed: {exc}")

    def result(self) -> int:
        """An index into ``RESULTS``; reports the job itself when the Worker could not any more."""
        _, status = os.waitpid(self._pid, 0)
        os.close(self._to_worker)
        os.close(self.fd)
        code = os.waitstatus_to_exitcode(status)
        self._log.write(f"Worker finished for job {self.job['jobId']}. Code: {code}")
        if code - 100 in range(len(RESULTS)):
            result = code - 100
        else:
            self._log.write(f"Return code {code} indicate worker encounter an unhandled exception or app crash")
            result = FAILED
            self._report_failed()
        self._log.write(f"finish job request for job {self.job['jobId']} with result: {RESULTS[result]}")
        return result

    def _report_failed(self) -> None:
        try:
            self._service.complete(self.job, "failed")
        except (JobLost, http1.Unreachable) as exc:
            self._log.write(f"complete job failed: {exc}")

    def _send(self, kind: int, text: str = "") -> None:
        try:
            channel.send(self._to_worker, kind, text)
        except BrokenPipeError:
            self._log.write("The worker is gone before it read its message")


def _spawn(program: str) -> tuple[int, int, int]:
    """(pid, descriptor to write to, descriptor that ends with the Worker)."""
    worker_reads, to_worker = os.pipe()
    from_worker, worker_writes = os.pipe()
    for descriptor in (worker_reads, worker_writes):
        os.set_inheritable(descriptor, True)
    # Its own log is its only output: a Worker outlives its Listener, whose pipes may then have no reader.
    silence = [(os.POSIX_SPAWN_OPEN, descriptor, "/dev/null", os.O_RDWR, 0) for descriptor in (0, 1, 2)]
    argv = [program, "spawnclient", str(worker_reads), str(worker_writes)]
    try:
        pid = os.posix_spawn(program, argv, os.environ, file_actions=silence, setsigmask=(), setsigdef=DEFAULTS)
    finally:
        os.close(worker_reads)
        os.close(worker_writes)
    return pid, to_worker, from_worker
