"""A job as it is submitted: what a person writes in a workflow."""

from __future__ import annotations

from typing import Any

import msgspec

from .jobs.steps import action_of, is_remote
from .state import GitHub
from .values import Job, Scope, Step


class JobOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job as it is submitted."""

    repo: str
    runs_on: str | list[str]
    steps: list[Step]
    name: str = "build"
    workflow: str = "CI"
    env: dict[str, str] = {}
    files: dict[str, str] = {}
    event_name: str = "workflow_dispatch"
    event: dict[str, Any] = {}
    permissions: dict[str, str] = {}

    def __post_init__(self) -> None:
        if self.repo.count("/") != 1 or not all(self.repo.split("/")):
            raise ValueError("'repo' is OWNER/REPO")
        if not self.runs_on:
            raise ValueError("'runs_on' is empty: such a job would run anywhere")
        if not self.steps:
            raise ValueError("'steps' is empty: a job has at least one")
        for path in self.files:
            if not path or path.startswith("/") or ".." in path.split("/"):
                raise ValueError(f"{path!r} in 'files' is not a path below the workspace")
        for step in self.steps:
            if step.uses and is_remote(step.uses):
                action_of(step.uses)

    def submit(self, github: GitHub) -> Job:
        return github.submit(
            repository=Scope.parse(self.repo),
            runs_on=[self.runs_on] if isinstance(self.runs_on, str) else self.runs_on,
            steps=self.steps,
            name=self.name,
            workflow=self.workflow,
            env=self.env,
            files=self.files,
            event_name=self.event_name,
            event=self.event,
            permissions=self.permissions,
        )
