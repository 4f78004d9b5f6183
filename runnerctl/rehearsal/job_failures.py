"""Why a job of a rehearsal failed, read from its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from . import job_log
from .proofs import Failed

if TYPE_CHECKING:
    from runnerctl.sandbox import JobView

_HOOKS = {
    "A job started hook": "ACTIONS_RUNNER_HOOK_JOB_STARTED",
    "A job completed hook": "ACTIONS_RUNNER_HOOK_JOB_COMPLETED",
}
"""How the runner begins to tell of a script of the host's (JobHookProvider.cs)."""


def job_failure(seen: JobView, hooks: Mapping[str, str]) -> Failed:
    """``hooks`` are the operator's, by variable."""
    step = next((each for each in seen.steps if each.conclusion == "failure"), None)
    if step is None:
        return Failed(f"The job ended as {seen.conclusion}", hint=_annotated(seen))
    said = [line for line in job_log.folded(step.lines) if line.strip()]
    words = [line.removeprefix("##[error]") for line in said if not line.startswith("▸")]
    last = f": {' / '.join(words[-2:])}" if words else ""
    if (variable := _hook(said)) is None:
        return Failed(f"Step {step.name!r} failed{last}", hint=_annotated(seen))
    script = hooks.get(variable)
    if script is None:
        return Failed(f"What runnerctl runs before each job failed{last}", hint="Look at fork_guard and clean")
    return Failed(
        f"{variable} names {script!r}, which fails every job{last}",
        hint=f"Mend the script; a job runs it as its own user: bash -e {script}",
    )


def _hook(said: Sequence[str]) -> str | None:
    return next((name for line in said for begin, name in _HOOKS.items() if line.startswith(begin)), None)


def _annotated(seen: JobView) -> str:
    told = [each.message for each in seen.annotations if each.level == "failure"]
    return f"The job's last words: {told[-1]}" if told else ""
