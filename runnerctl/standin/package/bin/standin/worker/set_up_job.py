"""The first step, "Set up job": what is told about the runner, its directories, its actions (``JobExtension.cs``)."""

from __future__ import annotations

import json
import os

from .. import guid, pace
from ..host import scratch
from ..host.runtime import architecture
from ..release import VERSION
from .expressions.evaluation import InvalidExpression
from .job import tool_cache
from .job_run import JobRun
from .reporting.timeline import FAILED
from .steps.actions import ActionFailed, Actions
from .steps.step import PRE, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .execution_context import Context
    from .job import Job


class SetupFailed(Exception):
    """Said already."""


def set_up(job: Job) -> JobRun:
    """The steps that are to be run."""
    job.runner.update({
        "os": "Linux", "arch": architecture(), "name": job.identity.name,
        "environment": job.message.variable("system.runnerEnvironment") or "self-hosted",
        "tool_cache": tool_cache(job.work), "temp": job.temporary,
    })  # fmt: skip
    scratch.clear(job.temporary)
    for directory in (job.temporary, job.runner["tool_cache"]):
        os.makedirs(directory, exist_ok=True)
    context = job.new_step(guid.new(), "Set up job")
    context.record.action, context.record.kind = "setup_job", "runner"
    context.start()
    try:
        running = _prepare(job, context)
    except (ActionFailed, InvalidExpression, OSError, ValueError) as exc:
        context.error(str(exc))
        context.result = FAILED
        raise SetupFailed from exc
    finally:
        context.complete()
    _wait_until_seen(running)
    return running


def _prepare(job: Job, context: Context) -> JobRun:
    _introduce(job, context)
    _prepare_directories(job)
    _read_environment(job, context)
    steps = [Step(content) for content in job.message.steps]
    actions = Actions(context)
    actions.prepare(steps)
    running = JobRun(job, actions)
    if os.path.isdir(f"{job.work}/_actions"):
        running.listen()
    _arrange(running, context, steps)
    if job.message.name.strip():
        context.output(f"Complete job name: {job.message.name}")
    os.environ["RUNNER_TRACKING_ID"] = job.mark
    return running


def _introduce(job: Job, context: Context) -> None:
    context.output(f"Current runner version: '{VERSION}'")
    context.output(f"Runner name: '{job.identity.name}'")
    if group := job.message.variable("system.runnerGroupName"):
        context.output(f"Runner group name: '{group}'")
    context.output(f"Machine name: '{os.uname().nodename}'")
    if permissions := job.message.variable("system.github.token.permissions"):
        context.output("##[group]GITHUB_TOKEN Permissions")
        for name, value in json.loads(permissions).items():
            context.output(f"{name}: {value}")
        context.output("##[endgroup]")
    if source := job.github.get("secret_source"):
        context.output(f"Secret source: {source}")
    context.output("Prepare workflow directory")


def _prepare_directories(job: Job) -> None:
    """``_work/REPOSITORY/REPOSITORY``, kept from job to job; and what triggered the workflow, as a file."""
    name = str(job.github.get("repository") or "").rpartition("/")[2]
    job.runner["workspace"] = f"{job.work}/{name}"
    job.github["workspace"] = f"{job.work}/{name}/{name}"
    job.github["token"] = job.message.variable("system.github.token")
    job.github["job"] = job.message.variable("system.github.job")
    os.makedirs(job.github["workspace"], exist_ok=True)
    os.makedirs(f"{job.temporary}/_github_workflow", exist_ok=True)
    job.event_path = f"{job.temporary}/_github_workflow/event.json"
    with open(job.event_path, "w", encoding="utf-8") as file:
        json.dump(job.github.get("event") or {}, file, indent=2)


def _read_environment(job: Job, context: Context) -> None:
    for token in job.message.environment:
        job.environment |= context.expressions().mapping(token)
        context.environment = job.environment
    for token in job.message.defaults:
        value = context.expressions().token(token)
        run = value.get("run") if isinstance(value, dict) else None
        job.defaults |= {name: str(each) for name, each in (run or {}).items() if each}


def _arrange(running: JobRun, context: Context, steps: list[Step]) -> None:
    """In the order of their numbers: the hook, what actions do before, the steps; the last hook is the first post."""
    names = {step.id: running.job.masks.mask(step.display_name(context.expressions())) for step in steps}
    states: dict[str, dict[str, str]] = {step.id: {} for step in steps}
    if path := os.environ.get("ACTIONS_RUNNER_HOOK_JOB_STARTED"):
        running.add_hook(path)
    for step in steps:
        if not step.is_script and not step.is_local and running.actions.has(running.actions.definition(step), PRE):
            running.add(step, names[step.id], states[step.id], stage=PRE)
    for step in steps:
        running.add(step, names[step.id], states[step.id])
    if path := os.environ.get("ACTIONS_RUNNER_HOOK_JOB_COMPLETED"):
        running.add_last_hook(path)


def _wait_until_seen(running: JobRun) -> None:
    """No ID token is issued for a job that is not seen to run: a second at most."""
    if running.job.message.services.get("generateidtokenurl"):
        running.job.updates.job_seen.wait(pace.scaled(1.0))
        running.listen()
