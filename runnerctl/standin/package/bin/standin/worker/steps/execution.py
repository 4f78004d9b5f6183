"""Waiting for a step's process while a cancellation, a time-out or its output may come first."""

from __future__ import annotations

import time

from ...host import waiting
from ..execution_context import NEVER
from ..expressions.evaluation import InvalidExpression, truth
from ..reporting import timeline
from .step_process import StepProcess
from .workflow_commands import Commands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..execution_context import Context
    from ..job import Job


class Canceled(Exception):
    """The step was ended early."""


def execute(context: Context, argv: list[str], *, directory: str, environment: dict[str, str]) -> int:
    """Run a process to its end; its exit code, or ``Canceled``. ``step_process.CannotStart`` when there is none."""
    commands = Commands(context)
    process = StepProcess(argv, directory=directory, environment=environment, output=commands.line)
    interrupts = context.job.interrupts
    while process.running():
        due = min(process.due(), context.deadline)
        watched = [*interrupts.descriptors, *([process.fd] if process.fd >= 0 else [])]
        ready = waiting.readable(watched, None if due == NEVER else due - time.monotonic())
        interrupts.look()
        if process.fd in ready:
            process.read()
        if interrupts:
            notice(context.job)
        if time.monotonic() >= context.deadline:
            context.deadline, context.timed_out = NEVER, True
        if context.cancelled or context.timed_out:
            process.end_early()
    if context.cancelled or context.timed_out:
        raise Canceled
    return process.exit_code or 0


def notice(job: Job) -> None:
    """The job is interrupted: its result is known, and each step that runs is asked whether it is to run on."""
    if job.noticed:
        return
    job.noticed = True
    job.result = timeline.FAILED if job.interrupts.shutdown else timeline.CANCELED
    for context in job.active:
        context.cancelled = job.interrupts.shutdown or not _still_allowed(context)


def allowed(context: Context) -> bool:
    """Whether its condition holds now; ``InvalidExpression`` when it cannot be read."""
    return truth(context.expressions().expression(context.condition))


def _still_allowed(context: Context) -> bool:
    try:
        return allowed(context)
    except InvalidExpression as exc:
        context.error(str(exc))
        return False
