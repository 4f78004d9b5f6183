"""``Runner.Worker spawnclient <fd in> <fd out>``: runs one job and ends with 100 + its result."""

from __future__ import annotations

import os
import time

from . import channel, http1, jsontext
from .joblog import JobLog
from .jobrun import CANCELED, FAILED, SUCCEEDED, JobRun
from .runservice import JobLost, RunService
from .terminal import DiagnosticLog
from .waiting import Signals

TYPE_CHECKING = False  # importing typing would cost 15 ms
if TYPE_CHECKING:
    from typing import Any

_EXIT = {SUCCEEDED: 100, FAILED: 102, CANCELED: 103}
_REPORT_TRIES = 5


def main(program: str, words: list[str]) -> int:
    if len(words) != 3 or words[0] != "spawnclient":
        os.write(2, b"The worker is started by Runner.Listener\n")
        return 1
    root = os.path.dirname(os.path.dirname(program))
    log = DiagnosticLog(root, "Worker")
    if log.fd >= 0:
        os.dup2(log.fd, 2)  # where a traceback of ours is looked for
    # SIGINT is for the Listener, which tells us over the pipe; a terminal sends it to all of the group.
    signals = Signals(interrupt=False)
    from_listener, to_listener = int(words[1]), int(words[2])
    for descriptor in (from_listener, to_listener):
        os.set_inheritable(descriptor, False)  # a step that kept our end open would hide our death
    message = channel.receive(from_listener)
    if message is None:
        return 1
    content = jsontext.loads(message[1])
    return _run(content["job"], content["connection"], listener=from_listener, signals=signals, log=log)


def _run(
    job: dict[str, Any], connection: dict[str, Any], *, listener: int, signals: Signals, log: DiagnosticLog
) -> int:
    log.write(f"Job ID {job['jobId']}")
    service = RunService(connection["url"], connection["accessToken"])
    output = JobLog(service, job)
    running = JobRun(job, connection, log=output, signals=signals, listener=listener)
    conclusion = running.run()
    output.flush()
    log.write(f"Job result: {conclusion}")
    _report(service, job, conclusion, log)
    return _EXIT[CANCELED if running.shutdown else conclusion]


def _report(service: RunService, job: dict[str, Any], conclusion: str, log: DiagnosticLog) -> None:
    for attempt in range(_REPORT_TRIES):
        try:
            service.complete(job, conclusion)
        except http1.Unreachable as exc:
            log.write(f"complete job failed: {exc}")
            if attempt + 1 < _REPORT_TRIES:
                time.sleep(float(os.environ.get("RUNNER_STANDIN_RETRY_SECONDS") or 5))
        except JobLost as exc:
            log.write(f"complete job refused: {exc}")
            return
        else:
            return
