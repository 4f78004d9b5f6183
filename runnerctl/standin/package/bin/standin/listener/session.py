"""A runner that is configured, from its first call to its end: the Listener's loop."""

from __future__ import annotations

import os
import time

from .. import identity, pace
from ..github import calls, http1, run_service
from ..host import channel, waiting
from ..host.terminal import complain, mark_milestone, say, timestamp
from ..host.waiting import SIGTERM, Signals, Stopped
from ..release import VERSION
from .broker import Broker, Deprovisioned, JobGone, RunnerNotFound, VersionTooOld
from .connecting import Connecting
from .dispatch import RunningJob
from .polling import Polling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..host.terminal import DiagnosticLog

OK = 0
_UPDATING, _UPDATING_SINGLE = 3, 4
_TERMINATE_SECONDS = 30.0
_NEVER = float("inf")


class Session:
    """One process's life with the broker; ``run`` returns its exit status."""

    def __init__(self, runner: identity.Identity, signals: Signals, *, once: bool, program: str, log: DiagnosticLog):
        hosted = os.environ.get("ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED", "").lower() in ("1", "true")
        self._runner = runner
        self._signals = signals
        self._single = once or runner.ephemeral or hosted
        self._tell_result = hosted
        self._program = program
        self._log = log
        self._broker = Broker(runner)
        self._connecting = Connecting(self._broker, signals)
        self._polling = Polling(self._broker, self._connecting, recover=not runner.skip_session_recover, log=log)
        self._job: RunningJob | None = None
        self._acquire_failures = 0
        self._updating = False

    def run(self) -> int:
        try:
            self._while_stoppable(self._connecting.connect)
        except Stopped:
            return self._stopped_status()
        mark_milestone("SessionCreated")
        say(f"Current runner version: '{VERSION}'")
        say(f"{timestamp()}: Listening for Jobs")
        try:
            return self._listen()
        except Stopped:
            pass  # with it goes the call out of which it took us: a poll is hung up before its session is closed
        except RunnerNotFound:
            complain("The runner no longer exists on the server. Cleaning up local configuration.")
            self._give_up_job()
            identity.remove(self._runner.root)
            return OK
        except Deprovisioned:
            self._give_up_job()
            self._close()
            return OK
        except JobGone:
            return self._used_up(OK)
        except Exception:
            # Whatever ends the loop ends the job, too, and the session: its result is lost ("Canceled").
            self._give_up_job()
            self._close()
            raise
        return self._stop()

    def _listen(self) -> int:
        while True:
            ready = self._wait()
            if self._signals.stop:
                return self._stop()
            if self._job:
                self._job.advance(ready)
                if self._job.result is not None:
                    result, self._job = self._job.result, None
                    if self._single:
                        return self._used_up(100 + result if self._tell_result else OK)
            message = self._while_stoppable(lambda ready=ready: self._polling.message(ready))
            if message is not None:
                mark_milestone(f"MessageReceived_{message['messageType']}")
                self._handle(str(message["messageType"]), message["body"])
            if self._updating:
                self._close()
                return _UPDATING_SINGLE if self._single else _UPDATING

    def _wait(self) -> set[int]:
        """What there is to read, once something happened or is due. Begins the next poll when it is time for it."""
        self._while_stoppable(lambda: self._polling.begin(busy=self._job is not None))
        descriptors = [self._signals.fd, *self._polling.descriptors()]
        due = self._polling.due()
        if self._job:
            descriptors += self._job.descriptors()
            due = min(due, self._job.due())
        ready = waiting.readable(descriptors, None if due == _NEVER else due - time.monotonic())
        self._signals.drain()
        return ready

    def _while_stoppable(self, call: Any) -> Any:
        """``call``, out of which a signal takes us at once."""
        if self._signals.stop:
            raise Stopped
        self._signals.at_once = True
        try:
            return call()
        finally:
            self._signals.at_once = False

    def _handle(self, kind: str, body: dict[str, Any]) -> None:
        if kind == "RunnerJobRequest":
            if self._job is None or not self._single:
                self._while_stoppable(lambda: self._take_job(body))
        elif kind == "JobCancellation":
            if self._job and str(body.get("jobId")).lower() == self._job.id.lower():
                self._job.cancel(_seconds(str(body.get("timeout") or "")))
        elif kind == "ForceTokenRefresh":
            self._broker.connect()
        elif kind == "RunnerRefresh":
            self._update(body)
        else:
            self._log.write(f"Received message with unsupported message type {kind}.")

    def _take_job(self, request: dict[str, Any]) -> None:
        if request.get("should_acknowledge"):
            self._acknowledge(str(request["runner_request_id"]))
        try:
            job = run_service.acquire(str(request["run_service_url"]), request, self._runner)
            self._acquire_failures = 0
        except (run_service.JobNotFound, run_service.JobNotOurs) as exc:
            self._log.write(f"Skipping message Job. {exc}")
            self._acquire_failures += 1
            if self._acquire_failures > 1:
                self._signals.pause(pace.scaled(min(2.0 ** (self._acquire_failures - 2), 60.0)))
            return
        except (calls.Refused, http1.Unreachable) as exc:
            # It goes on listening, also when it is ephemeral and its registration is used up.
            self._log.write(f"Caught exception from acquiring job message: {exc}")
            return
        if self._job:
            # The server thinks that the last one is over; so it is.
            self._give_up_job()
        self._job = RunningJob(job, program=self._program, log=self._log)

    def _acknowledge(self, request_id: str) -> None:
        try:
            self._broker.acknowledge(request_id)
        except JobGone:
            if self._runner.ephemeral:
                raise
        except (calls.Refused, http1.Unreachable) as exc:
            self._log.write(f"Best-effort acknowledge failed for request '{request_id}': {exc}")

    def _update(self, body: dict[str, Any]) -> None:
        from . import self_update

        def finish_job() -> None:
            if self._job:
                self._attend_to_the_end(self._job)

        runner = self._runner
        self._updating = self_update.update(body, root=runner.root, work=runner.work_folder, wait_for_job=finish_job)

    # The end.

    def _used_up(self, code: int) -> int:
        self._close()
        if self._runner.ephemeral:
            identity.remove(self._runner.root)
        return code

    def _stop(self) -> int:
        self._polling.hang_up()
        if self._job:
            self._job.stop(channel.SHUTDOWN)
            if not self._attend_to_the_end(self._job):
                return self._stopped_status()
        self._close()
        return self._stopped_status()

    def _give_up_job(self) -> None:
        job, self._job = self._job, None
        if job:
            job.stop(channel.CANCEL)
            self._attend_to_the_end(job)

    def _attend_to_the_end(self, job: RunningJob) -> bool:
        """For ever after SIGINT, for 30 s after SIGTERM: there the runtime tears the process down."""
        terminated = self._signals.stop == SIGTERM
        deadline = time.monotonic() + pace.scaled(_TERMINATE_SECONDS) if terminated else _NEVER
        while job.result is None:
            due = min(deadline, job.due())
            patience = None if due == _NEVER else due - time.monotonic()
            ready = waiting.readable([*job.descriptors(), self._signals.fd], patience)
            self._signals.drain()
            job.advance(ready)
            if time.monotonic() >= deadline:
                return job.result is not None
        return True

    def _stopped_status(self) -> int:
        return 128 + SIGTERM if self._signals.stop == SIGTERM else OK

    def _close(self) -> None:
        self._polling.hang_up()
        if not self._broker.session_id:
            return
        try:
            self._broker.close_session()
        except (http1.Unreachable, calls.Refused) as exc:
            self._log.write(f"Ignore any exception during DeleteSession: {exc}")


def _seconds(span: str) -> float:
    """A .NET time span, ``[d.]hh:mm:ss``."""
    try:
        hours, minutes, seconds = (float(part) for part in span.rpartition(".")[2].split(":"))
    except ValueError:
        return 0.0
    return 3600 * hours + 60 * minutes + seconds


__all__ = ["OK", "Session", "VersionTooOld"]
