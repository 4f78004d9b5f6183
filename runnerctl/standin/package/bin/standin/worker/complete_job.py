"""The last step, "Complete job", and the report that ends the job."""

from __future__ import annotations

import os

from .. import guid
from . import orphan_processes
from .expressions.evaluation import InvalidExpression
from .reporting.timeline import FAILED, merged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .job import Job


def finalize(job: Job) -> None:
    context = job.new_step(guid.new(), "Complete job")
    context.record.action, context.record.kind = "complete_job", "runner"
    context.start()
    context.environment = dict(job.environment)
    if job.message.outputs:
        context.output("Evaluate and set job outputs")
        try:
            _set_outputs(job, context.expressions().mapping(job.message.outputs), context)
        except InvalidExpression as exc:
            context.error("Fail to evaluate job outputs")
            context.error(str(exc))
            context.result = FAILED
            job.result = merged(job.result, FAILED)
    context.output("Cleaning up orphan processes")
    for line in orphan_processes.kill(job.mark, but=os.getpid()):
        context.output(line)
    context.complete()


def _set_outputs(job: Job, outputs: dict[str, str], context: Any) -> None:
    for name, value in outputs.items():
        if value != job.masks.mask(value):
            context.warning(f"Skip output '{name}' since it may contain secret.")
        elif value:
            context.output(f"Set output '{name}'")
            job.outputs[name] = {"value": value}


def report(job: Job, result: str) -> dict[str, Any]:
    """What ``completejob`` is told besides the ids."""
    content: dict[str, Any] = {
        "conclusion": result, "outputs": job.outputs, "stepResults": job.step_results, "annotations": [],
    }  # fmt: skip
    if job.telemetry:
        content["telemetry"] = [{**each, "message": job.masks.mask(each["message"])} for each in job.telemetry]
    if job.message.billing_owner_id is not None:
        content["billingOwnerId"] = job.message.billing_owner_id
    return content
