"""Where a step writes, and what it knows and becomes: the runner's execution context."""

from __future__ import annotations

from .expressions.template_tokens import Scope
from .reporting import timeline, times
from .reporting.timeline import COMPLETED, FAILED, IN_PROGRESS, SUCCEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .job import Job
    from .reporting.step_log import StepLog
    from .reporting.timeline import Record

_STATUS = {"succeeded": "success", "failed": "failure", "canceled": "cancelled", "skipped": "skipped"}
NEVER = float("inf")


class Context:
    """``scope`` and ``name`` are where the step's outputs go; a generated name (``__…``) keeps none.

    A step of a composite action has a context of its own, but its parent's record and log (``parent``).
    """

    def __init__(
        self, job: Job, record: Record, log: StepLog, *, name: str = "", scope: str = "",
        state: dict[str, str] | None = None, parent: Context | None = None, embedded_id: str = "",
    ) -> None:  # fmt: skip
        self.job = job
        self.record = record
        self.log = log
        self.name = name
        self.scope = scope
        self.state = {} if state is None else state
        self.parent = parent
        self.summary_id = embedded_id or record.id
        self.result: str | None = None
        self.command_result: str | None = None
        self.outcome: str | None = None
        self.condition = "success()"
        self.sibling_scope = ""
        self.cancelled = False
        self.timed_out = False
        self.deadline: float = parent.deadline if parent else NEVER
        self.environment: dict[str, str] = {}
        self.overrides: set[str] = set(parent.overrides) if parent else set()
        self.github: dict[str, Any] = dict(parent.github) if parent else {}
        self.inputs: dict[str, str] | None = None

    # Writing.

    def output(self, line: str) -> None:
        self._write("", line)

    def error(self, message: str) -> None:
        self.issue("error", message)

    def warning(self, message: str) -> None:
        self.issue("warning", message)

    def issue(self, kind: str, message: str, data: dict[str, str] | None = None) -> None:
        message = self.job.masks.mask(message)
        line = self._write(f"##[{kind}]", message) if message else 0
        found = timeline.issue(kind, message, data or {}, number=self.record.number, line=line)
        if self.parent is None:
            self.record.add_issue(found)
            self.job.updates.add(self.record)
        elif self.job.message.is_on("RunService.FixEmbeddedIssues"):
            # Without this switch of the server's, what composite actions complain about reaches the log only.
            self.record.add_issue(found)

    def _write(self, tag: str, message: str) -> int:
        line = self.job.masks.mask(tag + message)
        number = self.log.lines + 1
        self.log.write(line)
        if self.log is not self.job.log:
            self.job.log.write(line)
        self.job.feed.add(self.record.id, line, number)
        return number

    # Beginning and end.

    def start(self) -> None:
        self.record.started = times.now()
        self.record.state = IN_PROGRESS
        self.job.updates.add(self.record)

    def complete(self, result: str | None = None) -> None:
        self.result = self.record.result = result or self.result or SUCCEEDED
        self.record.finished = times.now()
        self.record.state = COMPLETED
        self.job.updates.add(self.record)
        if self.record.number is not None:
            self.job.step_results.append(self.record.step_result())
        self.log.end()
        self.publish()

    def publish(self) -> None:
        """Outcome and conclusion, for steps that come."""
        if self._keeps():
            known = self.job.known(self.scope, self.name)
            known["outcome"] = _STATUS[self.outcome or self.result or SUCCEEDED]
            known["conclusion"] = _STATUS[self.result or SUCCEEDED]

    def set_output(self, name: str, value: str) -> None:
        if self._keeps():
            self.job.known(self.scope, self.name)["outputs"][name] = value

    def add_environment(self, token: Any) -> None:
        """The step's own ``env``: what is inside it inherits that, too."""
        added = self.expressions().mapping(token)
        self.environment |= added
        self.overrides |= added.keys()

    def fail(self) -> None:
        self.result = FAILED

    def _keeps(self) -> bool:
        return bool(self.name) and not self.name.startswith("__")

    # Knowing.

    @property
    def full_name(self) -> str:
        return f"{self.scope}.{self.name}" if self.scope else self.name

    def expressions(self) -> Scope:
        contexts = {
            **self.job.message.contexts, "github": {**self.job.github, **self.github}, "env": self.environment,
            "runner": self.job.runner, "job": {"status": _STATUS[self.job.result or SUCCEEDED]},
            "secrets": self.job.message.secrets(), "steps": self.job.steps.get(self.scope, {}),
        }  # fmt: skip
        if self.inputs is not None:
            contexts["inputs"] = self.inputs
        status = self._status()
        return Scope(contexts, {
            "always": lambda: True, "success": lambda: status == "success", "failure": lambda: status == "failure",
            "cancelled": lambda: _STATUS[self.job.result or SUCCEEDED] == "cancelled",
        })  # fmt: skip

    def _status(self) -> str:
        """Inside a composite action "success" means: of this action so far."""
        if self.parent is None or self.job.result == timeline.CANCELED:
            return _STATUS[self.job.result or SUCCEEDED]
        return _STATUS[self.parent.result or SUCCEEDED]
