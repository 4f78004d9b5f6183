"""One step's stage, whatever it is: a script, a JavaScript action, a composite action (``ActionRunner.cs``)."""

from __future__ import annotations

import os

from . import composite, environment, scripts
from .command_files import CommandFiles
from .execution import execute
from .step import MAIN, POST, PRE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..execution_context import Context
    from ..job_run import JobRun
    from .actions import Definition
    from .step import Step


def run(running: JobRun, context: Context, step: Step, stage: str) -> None:
    """Raises what keeps the step from being run; a process that fails makes it the context's result."""
    job = context.job
    definition = None if step.is_script else running.actions.definition(step)
    if definition and step.is_local and definition.composite and stage == MAIN:
        running.actions.prepare_inside(definition, context)
    if definition and stage in (PRE, MAIN) and running.actions.has(definition, POST):
        running.register_post(context, step, definition)
    context.github["event_path"] = job.event_path
    context.github["action_repository"] = None if step.is_script or step.is_local else step.reference.get("name")
    context.github["action_ref"] = None if step.is_script or step.is_local else step.version
    files = CommandFiles(context)
    inputs = _inputs(context, step, definition)
    context.environment |= {f"STATE_{name}": value for name, value in context.state.items()}
    try:
        if definition is None:
            scripts.run(context, inputs)
        elif definition.node:
            _run_node(context, step, definition, inputs, stage)
        else:
            _print(context, step, inputs, stage)
            context.record.action, context.record.reference, context.record.kind = (
                step.action,
                step.version,
                "composite",
            )
            composite.run(running, context, definition, inputs, stage)
    finally:
        files.process()


def _inputs(context: Context, step: Step, definition: Definition | None) -> dict[str, str]:
    scope = context.expressions()
    inputs = scope.mapping(step.inputs)
    if definition is None:
        return inputs
    known = {name.lower() for name in definition.inputs}
    unexpected = [name for name in inputs if name.lower() not in known]
    if unexpected:
        listed = "', '".join(unexpected)
        valid = "', '".join(definition.inputs)
        context.warning(f"Unexpected input(s) '{listed}', valid inputs are ['{valid}']")
    given = {name.lower() for name in inputs}
    defaults = {name: scope.text(default) for name, default in definition.inputs.items() if name.lower() not in given}
    return {**inputs, **defaults}


def _run_node(context: Context, step: Step, definition: Definition, inputs: dict[str, str], stage: str) -> None:
    _print(context, step, inputs, stage)
    if context.parent is None:
        context.record.action, context.record.reference, context.record.kind = (
            step.action,
            step.version,
            definition.node,
        )
    script = os.path.join(definition.directory, definition.scripts[stage])
    if not os.path.isfile(script):
        raise scripts.Failed(f"File not found: '{script}'")
    own = {**context.environment, **environment.inputs(inputs)}
    variables = {**environment.of_step(context, own), **environment.of_node(context)}
    variables.pop("NODE_ICU_DATA", None)
    node = f"{os.path.realpath(context.job.identity.root + '/externals')}/{definition.node}/bin/node"
    directory = str(context.job.github["workspace"])
    code = execute(context, [node, script], directory=directory, environment=variables)
    if code:
        context.fail()


def _print(context: Context, step: Step, inputs: dict[str, str], stage: str) -> None:
    if stage == POST:
        context.output("Post job cleanup.")
        return
    context.output(f"##[group]Run {step.uses}")
    if any(inputs.values()):
        context.output("with:")
    for name, value in inputs.items():
        if value:
            context.output(f"  {name}: {value}")
    scripts.print_environment(context)
    context.output("##[endgroup]")
