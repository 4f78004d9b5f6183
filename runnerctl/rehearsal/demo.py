"""The guide's workflow, played on a local GitHub over real HTTP with real processes.

``play()`` yields what happens as it happens; it prints nothing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class StepBegan:
    title: str


@dataclass(frozen=True, kw_only=True)
class StepLine:
    """Something to show of the step under way."""

    text: str


@dataclass(frozen=True, kw_only=True)
class StepEnded:
    """The step under way has ended; ``problem`` says how it failed."""

    seconds: float
    problem: str | None = None


Progress = StepBegan | StepLine | StepEnded


def play() -> Iterator[Progress]:
    """All steps. It ends at the first that fails; whatever was started is gone when it ends."""
    import requests  # the command's help needs none of it

    from .steps import STEPS, StepFailed, Workspace

    with ExitStack() as cleanup:
        top = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="runnerctl-demo-")))
        workspace = Workspace(top=top, cleanup=cleanup)
        for title, step in STEPS:
            yield StepBegan(title=title)
            began = time.monotonic()
            try:
                for text in step(workspace):
                    yield StepLine(text=text)
            except (StepFailed, requests.RequestException, OSError) as exc:
                yield StepEnded(seconds=time.monotonic() - began, problem=str(exc))
                return
            yield StepEnded(seconds=time.monotonic() - began)
