"""A job's steps in order: those before, its own, those that clean up after (``StepsRunner.cs``)."""

from __future__ import annotations

import time

from .. import guid, pace
from .expressions.evaluation import InvalidExpression, truth
from .reporting import timeline
from .reporting.timeline import CANCELED, FAILED, SKIPPED, SUCCEEDED
from .steps import action_run
from .steps.actions import ActionFailed
from .steps.command_files import CommandFiles
from .steps.execution import Canceled, allowed, notice
from .steps.scripts import Failed, run_hook
from .steps.step import MAIN, POST, PRE
from .steps.step_process import CannotStart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .execution_context import Context
    from .job import Job
    from .steps.actions import Actions, Definition
    from .steps.step import Step

_CANCELED = "The operation was canceled."


class _Planned:
    """A step that is to be run; ``step`` is None for a hook, whose script is ``path``."""

    def __init__(self, context: Context, stage: str, *, step: Step | None = None, path: str = "") -> None:
        self.context = context
        self.stage = stage
        self.step = step
        self.path = path


class JobRun:
    def __init__(self, job: Job, actions: Actions) -> None:
        self.job = job
        self.actions = actions
        self._steps: list[_Planned] = []
        self._posts: list[_Planned] = []
        self._posted: set[str] = set()
        self._listens = False

    # What is to be run.

    def add_hook(self, path: str) -> None:
        context = self.job.new_step(guid.new(), "Set up runner")
        context.condition = "always()"
        context.record.action, context.record.kind = "set_up_runner", "runner"
        self._steps.append(_Planned(context, PRE, path=path))

    def add_last_hook(self, path: str) -> None:
        context = self.job.new_post_step("Complete runner", before=len(self._posts))
        context.condition = "always()"
        context.record.action, context.record.kind = "complete_runner", "runner"
        self._posts.append(_Planned(context, POST, path=path))

    def add(self, step: Step, name: str, state: dict[str, str], *, stage: str = MAIN) -> None:
        if stage == PRE:
            context = self.job.new_step(guid.new(), f"Pre {name}", state=state)
            context.condition = self.actions.definition(step).conditions[PRE]
        else:
            context = self.job.new_step(step.id, name, name=step.context_name, state=state)
            context.condition = step.condition
        self._steps.append(_Planned(context, stage, step=step))

    def register_post(self, context: Context, step: Step, definition: Definition) -> None:
        """Once for each action that begins, before it does anything."""
        condition = definition.conditions[POST]
        if context.parent:
            self.job.embedded_posts.setdefault(step.id, condition)
        elif step.id not in self._posted:
            self._posted.add(step.id)
            name = context.record.name.removeprefix("Pre ")
            post = self.job.new_post_step(f"Post {name}", before=len(self._posts), state=context.state)
            post.condition, post.sibling_scope = condition, step.context_name
            self._posts.append(_Planned(post, POST, step=step))

    def listen(self) -> None:
        """The real Worker hears the Listener only once it waits for something: before, it has not looked yet."""
        self._listens = True

    # Running.

    def run(self) -> None:
        queue = self._steps
        while queue:
            for planned in queue:
                self._run_step(planned)
            # The last one that was registered comes first.
            queue, self._posts = self._posts[::-1], []

    def _run_step(self, planned: _Planned) -> None:
        job, context = self.job, planned.context
        context.start()
        if self._listens:
            job.interrupts.look()
        if job.interrupts:
            notice(job)
        job.active = [] if job.noticed else [context]
        try:
            self._prepare(planned)
            wanted = not job.interrupts.shutdown and allowed(context)
        except InvalidExpression as exc:
            context.error(str(exc))
            context.complete(FAILED)
        else:
            if wanted:
                self._act(planned)
            else:
                context.complete(SKIPPED)
        job.active = []
        if context.result == FAILED:
            job.result = timeline.merged(job.result, FAILED)

    def _prepare(self, planned: _Planned) -> None:
        context, step = planned.context, planned.step
        context.environment = dict(self.job.environment)
        if step:
            context.github["action"] = step.name
            context.add_environment(step.environment)
        if step and planned.stage == MAIN:
            self._name_again(context, step)

    def _name_again(self, context: Context, step: Step) -> None:
        """Its name may have asked for what is known only now."""
        name = self.job.masks.mask(step.display_name(context.expressions()))
        if name != context.record.name:
            context.record.name = name
            self.job.updates.add(context.record)

    def _act(self, planned: _Planned) -> None:
        self._listens = True
        if planned.step:
            self.attempt(planned.context, planned.step, planned.stage)
        else:
            self._run_hook(planned.context, planned.path, planned.stage)
        planned.context.complete()

    def attempt(self, context: Context, step: Step, stage: str) -> None:
        """Run it, and make whatever comes of it the context's result."""
        nested = context.parent is not None
        if nested and not self.job.noticed:
            self.job.active.append(context)
        try:
            self._set_deadline(context, step)
            action_run.run(self, context, step, stage)
        except Canceled:
            self._end_early(context, step)
        except (ActionFailed, Failed, CannotStart, InvalidExpression, OSError) as exc:
            context.error(str(exc))
            context.result = FAILED
        finally:
            if nested and context in self.job.active:
                self.job.active.remove(context)
        if context.command_result:
            context.result = timeline.merged(context.result, context.command_result)
        self._forgive(context, step)

    def _end_early(self, context: Context, step: Step) -> None:
        if context.timed_out and not context.cancelled:
            minutes = context.expressions().token(step.timeout)
            context.error(f"The action '{context.record.name}' has timed out after {minutes} minutes.")
            context.result = FAILED
        else:
            context.error(_CANCELED)
            context.result = CANCELED

    def _set_deadline(self, context: Context, step: Step) -> None:
        minutes = float(context.expressions().token(step.timeout) or 0) if step.timeout is not None else 0.0
        if minutes > 0:
            context.deadline = min(context.deadline, time.monotonic() + pace.scaled(60 * minutes))

    def _forgive(self, context: Context, step: Step) -> None:
        if context.result != FAILED or step.continue_on_error is None:
            return
        wanted = context.expressions().token(step.continue_on_error)
        if truth(wanted) and str(wanted).lower() != "false":
            context.outcome, context.result = FAILED, SUCCEEDED

    def _run_hook(self, context: Context, path: str, stage: str) -> None:
        files = CommandFiles(context)
        context.github["event_path"] = self.job.event_path
        try:
            run_hook(context, path, stage)
        except Canceled:
            context.error(_CANCELED)
            context.result = CANCELED
        except (Failed, CannotStart, OSError) as exc:
            context.error(str(exc))
            context.result = FAILED
        finally:
            files.process()
        if context.command_result:
            context.result = timeline.merged(context.result, context.command_result)
