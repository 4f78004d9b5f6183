"""A runner that is configured, from ``Connected to GitHub`` to its end."""

from __future__ import annotations

import os
import time

from . import broker, http1, identity, runservice, waiting
from .broker import Broker, RegistrationDeleted, ServerFailed, SessionConflict, SessionLost, VersionTooOld
from .dispatch import CANCELED, RESULTS, RunningJob
from .release import VERSION
from .terminal import complain, mark_milestone, say, success, timestamp
from .waiting import SIGTERM, Signals, Stopped

TYPE_CHECKING = False  # importing typing would cost 15 ms
if TYPE_CHECKING:
    from typing import Any

    from .http1 import Exchange
    from .terminal import DiagnosticLog

OK, TERMINATED, RETRYABLE, SESSION_CONFLICT = 0, 1, 2, 5
_CONFLICT_TRIES = 8
_POLL_ERRORS = 10
_TERMINATE_SECONDS = 30.0
_NEVER = float("inf")


class CannotStart(Exception):
    """What is in the way stays in the way: exit status 1."""


class TooManyPollErrors(Exception):
    """The server failed ten polls: exit status 2, so that somebody starts us again."""


def retry_seconds(usual: float) -> float:
    """``RUNNER_STANDIN_RETRY_SECONDS`` makes a rehearsal of failures short; the real runner has no such variable."""
    return float(os.environ.get("RUNNER_STANDIN_RETRY_SECONDS") or usual)


class Session:
    """One process's life with the broker; ``run`` returns its exit status."""

    def __init__(self, runner: identity.Identity, signals: Signals, *, once: bool, program: str, log: DiagnosticLog):
        self._runner = runner
        self._signals = signals
        self._single = once or runner.ephemeral
        self._program = program
        self._log = log
        self._broker = Broker(runner)
        self._poll: Exchange | None = None
        self._poll_at = 0.0
        self._poll_errors = 0
        self._job: RunningJob | None = None
        self._next_request: dict[str, Any] | None = None

    def run(self) -> int:
        try:
            self._signals.at_once = True
            if not self._connect():
                return SESSION_CONFLICT
            self._signals.at_once = False
        except Stopped:
            say("Exiting...")
            self._close()
            return self._stopped_status()
        say(f"Current runner version: '{VERSION}'")
        say(f"{timestamp()}: Listening for Jobs")
        mark_milestone("SessionCreated")
        try:
            return self._listen()
        except RegistrationDeleted:
            complain("The runner no longer exists on the server. Cleaning up local configuration.")
            identity.remove(self._runner.root)
            return OK
        except VersionTooOld:
            self._close()
            raise

    # Until there is a session.

    def _connect(self) -> bool:
        """Whether there is a session; False when somebody else has kept it for too long."""
        conflicts, reported = 0, False
        say("")
        while True:
            try:
                self._open()
            except SessionConflict as exc:
                conflicts += 1
                if conflicts == 1:
                    complain(str(exc))
                if conflicts > _CONFLICT_TRIES:
                    complain("Stop retry on SessionConflictException after retried for 240 seconds.")
                    return False
            except (http1.Unreachable, ServerFailed, SessionLost) as exc:
                if not reported:
                    complain(f"{timestamp()}: Runner connect error: {exc}. Retrying until reconnected.")
                reported = True
            else:
                break
            self._signals.pause(retry_seconds(30))
        if reported:
            say(f"{timestamp()}: Runner reconnected.")
        return True

    def _open(self) -> None:
        try:
            self._broker.log_on()
            if not self._broker.session_id:
                success("Connected to GitHub")
                say("")
            self._broker.open_session()
        except RegistrationDeleted as exc:
            raise CannotStart(
                "Failed to create a session. The runner registration has been deleted from the server, please "
                "re-configure. Runner registrations are automatically deleted for runners that have not connected to "
                "the service recently."
            ) from exc

    # With a session.

    def _listen(self) -> int:
        while True:
            ready = self._wait()
            if self._signals.stop:
                return self._stop()
            if self._job and self._job.fd in ready:
                result = self._job_ended(self._job)
                if self._single:
                    return self._finish(result)
                self._begin_next_job()
            elif self._poll and self._poll.fileno() in ready:
                self._read_poll(self._poll)
            elif self._job:
                self._job.keep_alive()

    def _wait(self) -> set[int]:
        """What there is to read, once something happened or is due. Begins the next poll when it is time for it."""
        now = time.monotonic()
        if self._poll is None and now >= self._poll_at:
            self._begin_poll()
        due = min(self._poll_at if self._poll is None else _NEVER, self._job.due() if self._job else _NEVER)
        watched = [self._signals.fd]
        watched += [self._poll.fileno()] if self._poll else []
        watched += [self._job.fd] if self._job else []
        ready = waiting.readable(watched, None if due == _NEVER else due - now)
        self._signals.drain()
        return ready

    def _begin_poll(self) -> None:
        try:
            self._poll = self._broker.ask_for_message(busy=self._job is not None)
        except (http1.Unreachable, ServerFailed) as exc:
            self._poll_failed(exc)
        except RegistrationDeleted:
            self._registration_is_gone()

    def _read_poll(self, poll: Exchange) -> None:
        self._poll = None
        try:
            content = broker.message(poll.answer())
        except RegistrationDeleted:
            self._registration_is_gone()
        except SessionLost:
            self._renew_session()
        except (http1.Unreachable, ServerFailed) as exc:
            self._poll_failed(exc)
        else:
            if content is not None:
                self._handle(content["messageType"], content["body"])

    def _registration_is_gone(self) -> None:
        # An ephemeral registration goes the moment its job is reported, before its Worker has ended.
        if self._job is None:
            raise RegistrationDeleted
        self._poll_at = _NEVER

    def _renew_session(self) -> None:
        try:
            self._broker.log_on()
            self._broker.open_session()
        except RegistrationDeleted:
            self._registration_is_gone()
        except (http1.Unreachable, ServerFailed, SessionLost, SessionConflict) as exc:
            self._poll_failed(exc)

    def _poll_failed(self, exc: Exception) -> None:
        self._poll_errors += 1  # never reset by a good poll, as in the real one
        self._log.write(f"poll error {self._poll_errors}: {exc}")
        if self._poll_errors == 1:
            complain(f"{timestamp()}: Runner connect error: {exc}. Retrying until reconnected.")
        if self._poll_errors >= _POLL_ERRORS and self._job is None:
            raise TooManyPollErrors(str(exc))
        self._poll_at = time.monotonic() + retry_seconds(15 if self._poll_errors <= 5 else 30)

    def _handle(self, kind: str, body: dict[str, Any]) -> None:
        mark_milestone(f"MessageReceived_{kind}")
        if kind == "RunnerJobRequest" and self._job is None:
            self._begin_job(body)
        elif kind == "RunnerJobRequest":
            # The server knew the last job's end before we did; that Worker is about to go.
            self._next_request = body
        elif kind == "JobCancellation" and self._job and body.get("jobId") == self._job.job["jobId"]:
            self._job.cancel()
        elif kind == "ForceTokenRefresh":
            self._broker.forget_token()
        else:
            self._log.write(f"message {kind} is not acted on")

    # With a job.

    def _begin_job(self, request: dict[str, Any]) -> None:
        service = runservice.RunService(request["run_service_url"], self._broker.access_token)
        try:
            if request.get("should_acknowledge"):
                self._broker.acknowledge(request["runner_request_id"])
            job = service.acquire(request["runner_request_id"])
        except (http1.Unreachable, ServerFailed, SessionLost, RegistrationDeleted, runservice.JobLost) as exc:
            # The real one goes on listening, too, even when it is ephemeral and its registration is used up.
            self._log.write(f"job not acquired: {exc}")
            return
        say(f"{timestamp()}: Running job: {job.get('jobDisplayName')}")
        mark_milestone("StartingWorkerProcess")
        connection = {"url": service.url, "accessToken": self._broker.access_token, "runnerName": self._runner.name,
                      "workFolder": self._runner.work_folder}  # fmt: skip
        self._job = RunningJob(job, service, program=self._program, connection=connection, log=self._log)

    def _begin_next_job(self) -> None:
        request, self._next_request = self._next_request, None
        if request is not None:
            self._begin_job(request)

    def _job_ended(self, job: RunningJob) -> int:
        self._job = None
        self._poll_at = 0.0
        result = job.result()
        say(f"{timestamp()}: Job {job.name} completed with result: {RESULTS[result]}")
        return result

    # The end.

    def _finish(self, result: int) -> int:
        self._close()
        if self._runner.ephemeral:
            identity.remove(self._runner.root)
        hosted = os.environ.get("ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED", "").lower() in ("1", "true")
        return 100 + result if hosted else OK

    def _stop(self) -> int:
        say("Exiting...")
        if self._job:
            self._job.shut_down()
            if not self._worker_ended(self._job):
                return self._stopped_status()
            self._job.result()
            say(f"{timestamp()}: Job {self._job.name} completed with result: {RESULTS[CANCELED]}")
        self._close()
        return self._stopped_status()

    def _worker_ended(self, job: RunningJob) -> bool:
        """Wait for it: for ever after SIGINT, for 30 s after SIGTERM (there the runtime tears the process down)."""
        deadline = _NEVER
        while True:
            if self._signals.stop == SIGTERM and deadline == _NEVER:
                deadline = time.monotonic() + _TERMINATE_SECONDS
            patience = None if deadline == _NEVER else deadline - time.monotonic()
            ready = waiting.readable([job.fd, self._signals.fd], patience)
            self._signals.drain()
            if job.fd in ready:
                return True
            if time.monotonic() >= deadline:
                return False

    def _stopped_status(self) -> int:
        return 128 + SIGTERM if self._signals.stop == SIGTERM else OK

    def _close(self) -> None:
        if self._poll:
            self._poll.close()
        if not self._broker.session_id:
            return
        try:
            self._broker.close_session()
        except http1.Unreachable as exc:
            self._log.write(f"session not deleted: {exc}")
