"""``Runner.Worker spawnclient <fd in> <fd out>``: runs one job and ends with 100 + its result."""

from __future__ import annotations

import json
import os
import time
import traceback

from .. import pace
from ..github import calls, http1
from ..github.run_service import JobNotFound, JobService, Unauthorized
from ..host import channel, runtime, scratch
from ..host.ancestors import Unreadable, require_readable
from ..host.terminal import DiagnosticLog
from ..host.waiting import Signals
from ..identity import Identity
from . import complete_job, set_up_job
from .interrupts import Interrupts
from .job import Job
from .job_message import JobMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CODES = {"succeeded": 100, "failed": 102, "canceled": 103}
_REPORT_TRIES = 5


def main(program: str, words: list[str]) -> int:
    if len(words) != 3 or words[0] != "spawnclient":
        os.write(2, b"The worker is started by Runner.Listener\n")
        return 1
    runtime.begin()
    binaries = os.path.dirname(program)
    root = os.path.dirname(binaries)
    os.chdir(binaries)
    log = DiagnosticLog(root, "Worker")
    # A terminal's SIGINT is for all of its group; the Worker does what the Listener tells it.
    signals = Signals()
    from_listener, to_listener = int(words[1]), int(words[2])
    for descriptor in (from_listener, to_listener):
        os.set_inheritable(descriptor, False)  # a step that kept our end open would hide our death
    message = channel.receive(from_listener)
    if message is None:
        return 1
    try:
        return _run(json.loads(message[1]), Identity(root), Interrupts(signals, from_listener), log)
    except Exception:
        # The Listener reports it, as it does what the real Worker leaves on its error output.
        log.write(traceback.format_exc())
        os.write(2, traceback.format_exc().encode())
        return 1


def _run(content: dict[str, Any], identity: Identity, interrupts: Interrupts, log: DiagnosticLog) -> int:
    message = JobMessage(content)
    log.write(f"Job ID {message.job_id}")
    job = Job(message, identity, interrupts, log)
    interrupts.on_shutdown = lambda: _report_shutdown(job)
    job.context.start()
    try:
        os.makedirs(job.work, exist_ok=True)
        require_readable(job.work)
        running = set_up_job.set_up(job)
    except (set_up_job.SetupFailed, Unreadable, OSError) as exc:
        if not isinstance(exc, set_up_job.SetupFailed):
            job.context.error(str(exc))
        job.result = "failed"
    else:
        try:
            running.run()
        finally:
            complete_job.finalize(job)
    return _complete(job)


def _report_shutdown(job: Job) -> None:
    job.context.error(
        "The runner has received a shutdown signal. This can happen when the runner service is stopped, or a manually "
        "started runner is canceled."
    )


def _complete(job: Job) -> int:
    result = job.result or "succeeded"
    job.result = job.context.result = result
    job.context.complete(result)
    job.finish()
    scratch.clear(job.temporary)
    content = complete_job.report(job, result)
    service = JobService(job.message.url, job.message.token, plan_id=job.message.plan_id, job_id=job.message.job_id)
    for attempt in range(_REPORT_TRIES):
        if attempt:
            time.sleep(pace.scaled(5))
        try:
            service.complete(content)
        except (JobNotFound, Unauthorized):
            raise
        except (calls.Refused, http1.Unreachable) as exc:
            job.diagnostics.write(f"Catch exception while attempting to complete job: {exc}")
            if attempt + 1 == _REPORT_TRIES:
                raise
        else:
            break
    job.diagnostics.write(f"Job result after all job steps finish: {result}")
    return _CODES[result]
