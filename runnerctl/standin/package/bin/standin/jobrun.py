"""One job: its steps in order, their environment, and how it ended."""

from __future__ import annotations

import os
import time

from . import channel, http1, jsontext, orphans, rsa, waiting, workspace
from .commandfiles import CommandFiles, InvalidCommandFile
from .stepprocess import StepProcess

TYPE_CHECKING = False  # importing typing would cost 15 ms
if TYPE_CHECKING:
    from typing import Any

    from .joblog import JobLog
    from .waiting import Signals

SUCCEEDED, FAILED, CANCELED = "succeeded", "failed", "canceled"
_SHUTDOWN = (
    "##[error]The runner has received a shutdown signal. This can happen when the runner service is stopped, or a "
    "manually started runner is canceled."
)
_HOOKS = (
    ("ACTIONS_RUNNER_HOOK_JOB_STARTED", "Set up runner"),
    ("ACTIONS_RUNNER_HOOK_JOB_COMPLETED", "Complete runner"),
)


class JobRun:
    """``run`` returns the job's conclusion. ``shutdown`` afterwards says that it was our end that ended it."""

    def __init__(
        self, job: dict[str, Any], connection: dict[str, Any], *, log: JobLog, signals: Signals, listener: int
    ) -> None:
        self._job = job
        self._log = log
        self._signals = signals
        self._listener = listener
        self._canceled = False
        self.shutdown = False
        self._work = connection["workFolder"]
        self._workspace = workspace.prepare(self._work, job.get("repository", ""))
        self._event = workspace.write_event(self._work, jsontext.dumps(job.get("event") or {}))
        self._mark = f"github_{rsa.guid()}"
        self._own_environment = self._describe(connection)
        given = {name: str(value) for name, value in (job.get("env") or {}).items()}
        # Workflows may say what CI is, and nothing of what begins with GITHUB_ or RUNNER_.
        self._environment = {"CI": "true"} | dict(os.environ) | given | self._own_environment
        self._failed = False

    @property
    def interrupted(self) -> bool:
        return self._canceled or self.shutdown

    def run(self) -> str:
        self._hook(*_HOOKS[0])
        for step in self._job.get("steps") or []:
            if self.interrupted:
                break
            if not self._failed or step.get("if") == "always()":
                self._step(step)
        if not self.shutdown:
            self._hook(*_HOOKS[1])
        for line in orphans.kill(self._mark):
            self._log.write(line)
        workspace.clear(f"{self._work}/_temp")
        return self._conclusion()

    def _conclusion(self) -> str:
        if self.shutdown:
            self._log.write(_SHUTDOWN)
            return FAILED  # what GitHub is told; the Listener says "Canceled"
        if self._canceled:
            self._log.write("##[error]The operation was canceled.")
            return CANCELED
        return FAILED if self._failed else SUCCEEDED

    # Steps.

    def _hook(self, variable: str, name: str) -> None:
        path = os.environ.get(variable)
        if not path:
            return
        if not path.endswith(".sh") or not os.path.isfile(path):
            self._fail(f"File doesn't exist, or is not a shell script: {path}")
            return
        # What the workflow wants in its environment is for its steps.
        self._execute(name, path, dict(os.environ) | self._own_environment)

    def _step(self, step: dict[str, Any]) -> None:
        uses = str(step.get("uses") or "")
        if uses.partition("@")[0] == "actions/checkout":
            self._check_out(uses)
        elif uses:
            self._fail(f"Action '{uses}' is not supported by the sandbox")
        else:
            script = f"{self._work}/_temp/{rsa.guid()}.sh"
            with open(script, "w", encoding="utf-8") as file:
                file.write(str(step.get("run") or "") + "\n")
            added = {key: str(value) for key, value in (step.get("env") or {}).items()}
            self._execute(str(step.get("name") or _first_line(step)), script, self._environment | added)

    def _check_out(self, uses: str) -> None:
        self._log.write(f"##[group]Run {uses}")
        self._log.write("##[endgroup]")
        try:
            workspace.check_out(self._workspace, self._job.get("files") or {})
        except (OSError, ValueError) as exc:
            self._fail(str(exc))

    def _execute(self, name: str, script: str, environment: dict[str, str]) -> None:
        files = CommandFiles(f"{self._work}/_temp", rsa.guid())
        self._log.write(f"##[group]Run {name}")
        self._log.write("##[endgroup]")
        process = StepProcess(
            [_shell(), "-e", script],
            directory=self._workspace,
            environment=environment | files.environment,
            output=self._log.write,
        )
        self._attend(process)
        if process.exit_code:
            self._fail(f"Process completed with exit code {process.exit_code}.")
        try:
            files.apply(self._environment)
        except InvalidCommandFile as exc:
            self._fail(f"Unable to process file command successfully. {exc}")

    def _fail(self, message: str) -> None:
        self._failed = True
        self._log.write(f"##[error]{message}")

    # Waiting.

    def _attend(self, process: StepProcess) -> None:
        while process.running():
            watched = [descriptor for descriptor in (self._signals.fd, process.fd, self._listener) if descriptor >= 0]
            due = min(process.due(), self._log.due())
            ready = waiting.readable(watched, None if due == float("inf") else due - time.monotonic())
            self._signals.drain()
            if process.fd in ready:
                process.read()
            if self._listener in ready:
                self._hear()
            if self._signals.stop:
                self.shutdown = True
            if self.interrupted:
                process.end_early()
            if time.monotonic() >= self._log.due():
                self._log.flush()

    def _hear(self) -> None:
        message = channel.receive(self._listener)
        if message is None:
            # The Listener is dead. The real Worker goes on with its job, alone, and so do we.
            self._listener = -1
        elif message[0] == channel.CANCEL:
            self._canceled = True
        elif message[0] == channel.SHUTDOWN:
            self.shutdown = True

    # Environment.

    def _describe(self, connection: dict[str, Any]) -> dict[str, str]:
        job = self._job
        scheme, authority, _ = http1.split(connection["url"])
        server = f"{scheme}://{authority}"
        described = {
            "GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": server, "GITHUB_API_URL": f"{server}/api/v3",
            "GITHUB_REPOSITORY": job.get("repository"), "GITHUB_RUN_ID": job.get("runId"),
            "GITHUB_RUN_NUMBER": job.get("runNumber", 1), "GITHUB_RUN_ATTEMPT": job.get("runAttempt", 1),
            "GITHUB_JOB": job.get("job"), "GITHUB_WORKFLOW": job.get("workflow"), "GITHUB_ACTOR": job.get("actor"),
            "GITHUB_SHA": job.get("sha"), "GITHUB_REF": job.get("ref"),
            "GITHUB_EVENT_NAME": job.get("eventName", "workflow_dispatch"),
            "GITHUB_EVENT_PATH": self._event,
            "GITHUB_WORKSPACE": self._workspace,
            "RUNNER_NAME": connection["runnerName"], "RUNNER_OS": "Linux", "RUNNER_ARCH": _architecture(),
            "RUNNER_TEMP": f"{self._work}/_temp", "RUNNER_WORKSPACE": os.path.dirname(self._workspace),
            "RUNNER_TOOL_CACHE": os.environ.get("RUNNER_TOOL_CACHE") or f"{self._work}/_tool",
            "RUNNER_ENVIRONMENT": "self-hosted", "RUNNER_TRACKING_ID": self._mark,
        }  # fmt: skip
        return {name: str(value or "") for name, value in described.items()}


def _architecture() -> str:
    return {"x86_64": "X64", "aarch64": "ARM64"}.get(os.uname().machine, "ARM")


def _shell() -> str:
    return next((path for path in ("/bin/bash", "/usr/bin/bash") if os.access(path, os.X_OK)), "/bin/sh")


def _first_line(step: dict[str, Any]) -> str:
    return str(step.get("run") or "").partition("\n")[0]
