"""A job's log by step, as GitHub shows it: groups are folded into their first line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runnerctl.sandbox import JobView

_MARKS = {"success": "✓", "failure": "✗", "cancelled": "!", "skipped": "-"}
_GROUP, _END = "##[group]", "##[endgroup]"


def by_step(job: JobView) -> Iterator[str]:
    """Each step with its outcome, its lines below it; then what was annotated."""
    for step in job.steps:
        yield f"{step.number:2} {_MARKS.get(step.conclusion or '', '·')} {step.name}"
        yield from (f"       {line}" for line in folded(step.lines))
        if step.summary:
            yield from (f"       | {line}" for line in step.summary.splitlines())
    for each in job.annotations:
        where = f" (step {each.step})" if each.step else ""
        yield f"   {each.level}{where}: {each.message}"


def folded(lines: Iterable[str]) -> Iterator[str]:
    """Without what stands in groups."""
    inside = False
    for line in lines:
        if line.startswith(_GROUP):
            inside = True
            yield f"▸ {line.removeprefix(_GROUP)}"
        elif line == _END:
            inside = False
        elif not inside:
            yield line
