"""Composite actions: steps inside a step, which share its record and its log (``CompositeActionHandler.cs``)."""

from __future__ import annotations

from ... import guid
from ..execution_context import Context
from ..expressions.evaluation import InvalidExpression
from ..reporting import timeline
from .execution import allowed, notice
from .step import MAIN, POST, PRE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..job_run import JobRun
    from .actions import Definition
    from .step import Step


def run(running: JobRun, context: Context, definition: Definition, inputs: dict[str, str], stage: str) -> None:
    scope = context.sibling_scope or context.full_name or f"__{guid.new()}"
    for step in _steps(running, definition, stage):
        child = _child(running, context, step, scope)
        child.inputs = inputs
        child.github["action_path"] = definition.directory
        if stage == PRE:
            child.condition = running.actions.definition(step).conditions[PRE]
        if stage == POST:
            child.sibling_scope = f"{scope}.{step.context_name}"
            child.condition = running.job.embedded_posts[step.id]
        _run_step(running, child, step, stage)
        if child.result in (timeline.FAILED, timeline.CANCELED):
            context.result = timeline.merged(context.result, child.result)
        if stage == MAIN:
            child.publish()
    if stage == MAIN:
        _set_outputs(context, definition, inputs, scope)


def _steps(running: JobRun, definition: Definition, stage: str) -> list[Step]:
    """Before: those that have something to do then. After: those whose main was run, the last first."""
    if stage == MAIN:
        return definition.steps
    if stage == PRE:
        actions = [step for step in definition.steps if not step.is_script and not step.is_local]
        return [step for step in actions if running.actions.has(running.actions.definition(step), PRE)]
    return [step for step in reversed(definition.steps) if step.id in running.job.embedded_posts]


def _child(running: JobRun, context: Context, step: Step, scope: str) -> Context:
    state = running.job.embedded_states.setdefault(step.id, {})
    child = Context(
        running.job, context.record, context.log, name=step.context_name, scope=scope, state=state, parent=context,
        embedded_id=step.id,
    )  # fmt: skip
    child.condition = step.condition
    own = {name: value for name, value in context.environment.items() if name in context.overrides}
    child.environment = {**running.job.environment, **own}
    child.github["action"] = step.name
    return child


def _run_step(running: JobRun, child: Context, step: Step, stage: str) -> None:
    job = running.job
    job.interrupts.look()
    if job.interrupts:
        notice(job)
    try:
        child.add_environment(step.environment)
        wanted = not job.interrupts.shutdown and allowed(child)
    except InvalidExpression as exc:
        child.error(str(exc))
        child.result = timeline.FAILED
        return
    if wanted:
        running.attempt(child, step, stage)
    else:
        child.result = timeline.SKIPPED


def _set_outputs(context: Context, definition: Definition, inputs: dict[str, str], scope: str) -> None:
    inside = Context(context.job, context.record, context.log, scope=scope, parent=context)
    inside.inputs = inputs
    inside.environment = context.environment
    for name, content in definition.outputs.items():
        context.set_output(str(name), inside.expressions().text((content or {}).get("value")))
