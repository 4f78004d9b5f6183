"""What the runner told about a job while it ran: its steps, their logs and summaries, and its annotations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from msgspec import UNSET

from ..runner_api.schemas import Annotation, StepResult, StepUpdate, given_or
from ..values import AnnotationView, StepView

STATUSES: Mapping[int, str] = {0: "queued", 3: "in_progress", 5: "pending", 6: "completed"}
CONCLUSIONS: Mapping[int, str | None] = {0: None, 2: "success", 3: "failure", 4: "cancelled", 7: "skipped"}
"""The numbers of ``WorkflowStepsUpdate``, in the words of GitHub's REST API."""
RESULTS: Mapping[str, str] = {
    "succeeded": "success",
    "succeededWithIssues": "success",
    "failed": "failure",
    "canceled": "cancelled",
    "skipped": "skipped",
    "abandoned": "cancelled",
}
"""What ``completejob`` says of a job and of its steps (``TaskResult.cs``), in the same words."""
_STAMP = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z ")
"""Before each line of an uploaded log; the first line of a block has a byte order mark as well."""


def log_lines(content: bytes) -> tuple[str, ...]:
    """The lines of an uploaded log without time stamps and byte order marks."""
    text = content.decode("utf-8", "replace")
    # Only a line feed ends a line: str.splitlines() would also cut at form feeds and the like.
    lines = text.removesuffix("\n").split("\n") if text else []
    return tuple(_STAMP.sub("", line, count=1).removesuffix("\r") for line in lines)


@dataclass(kw_only=True)
class _Step:
    number: int
    name: str
    status: str
    conclusion: str | None
    started_at: str | None
    completed_at: str | None


@dataclass(kw_only=True)
class JobReport:
    """Live lines are what the feed brought: some may be missing. An uploaded log takes their place."""

    annotations: list[AnnotationView] = field(default_factory=list)
    _steps: dict[UUID, _Step] = field(default_factory=dict)
    _live: list[tuple[UUID, str]] = field(default_factory=list)
    _step_logs: dict[UUID, tuple[str, ...]] = field(default_factory=dict)
    _summaries: dict[UUID, str] = field(default_factory=dict)
    _log: tuple[str, ...] | None = None
    _more: list[str] = field(default_factory=list)

    def take_lines(self, step: UUID, lines: Iterable[str]) -> None:
        self._live.extend((step, line) for line in lines)

    def take_log(self, content: bytes) -> None:
        self._log = log_lines(content)
        self._live = [(step, line) for step, line in self._live if step not in self._step_logs]

    def take_step_log(self, step: UUID, content: bytes) -> None:
        self._step_logs[step] = log_lines(content)

    def take_summary(self, step: UUID, content: bytes) -> None:
        self._summaries[step] = content.decode("utf-8", "replace")

    def take_updates(self, updates: Iterable[StepUpdate]) -> None:
        """Each names only the steps that have changed."""
        for each in updates:
            self._steps[each.external_id] = _Step(
                number=each.number,
                name=each.name,
                status=STATUSES[each.status],
                conclusion=CONCLUSIONS[each.conclusion],
                started_at=given_or(each.started_at, None),
                completed_at=given_or(each.completed_at, None),
            )

    def take_results(self, results: Iterable[StepResult]) -> None:
        """What ``completejob`` says of the steps is final."""
        for each in results:
            self._steps[each.external_id] = _Step(
                number=given_or(each.number, 0),
                name=each.name,
                status="completed" if each.status == "completed" else "in_progress",
                conclusion=RESULTS[each.conclusion] if each.conclusion else None,
                started_at=given_or(each.started_at, None),
                completed_at=given_or(each.completed_at, None),
            )
            self.annotate(given_or(each.annotations, []), step=given_or(each.number, 0))

    def annotate(self, annotations: Iterable[Annotation], *, step: int | None = None) -> None:
        for each in annotations:
            number = step if each.step_number is UNSET else each.step_number
            self.annotations.append(
                AnnotationView(level=given_or(each.level, "notice"), message=given_or(each.message, ""), step=number)
            )

    def fail(self, reason: str) -> None:
        """Said by GitHub itself of a job whose runner is lost."""
        self.annotations.append(AnnotationView(level="failure", message=reason, step=None))
        self._more.append(f"##[error]{reason}")

    @property
    def lines(self) -> tuple[str, ...]:
        known = self._log if self._log is not None else tuple(line for _, line in self._live)
        return (*known, *self._more)

    @property
    def steps(self) -> tuple[StepView, ...]:
        """In their order."""
        ordered = sorted(self._steps.items(), key=lambda item: item[1].number)
        return tuple(self._view(step_id, step) for step_id, step in ordered)

    def _view(self, step_id: UUID, step: _Step) -> StepView:
        return StepView(
            number=step.number,
            name=step.name,
            status=step.status,
            conclusion=step.conclusion,
            started_at=step.started_at,
            completed_at=step.completed_at,
            lines=self._lines_of(step_id),
            summary=self._summaries.get(step_id),
        )

    def _lines_of(self, step_id: UUID) -> tuple[str, ...]:
        uploaded = self._step_logs.get(step_id)
        return uploaded if uploaded is not None else tuple(line for step, line in self._live if step == step_id)
