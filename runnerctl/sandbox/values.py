"""The values of the sandbox: scopes, runners, jobs, and what callers see of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A repository, or an organization (``repo`` is None). GitHub's names do not regard case."""

    owner: str
    repo: str | None = None

    @classmethod
    def parse(cls, text: str) -> Scope:
        owner, slash, repo = text.partition("/")
        return cls(owner=owner, repo=repo if slash else None)

    def __str__(self) -> str:
        return f"{self.owner}/{self.repo}" if self.repo else self.owner

    @property
    def key(self) -> str:
        return str(self).lower()

    @property
    def path(self) -> str:
        return f"/repos/{self.owner}/{self.repo}" if self.repo else f"/orgs/{self.owner}"

    def serves(self, repository: Scope) -> bool:
        """Whether runners registered here may run jobs of that repository."""
        return self.key in {repository.key, repository.owner.lower()}


@dataclass(frozen=True, kw_only=True)
class Runner:
    """A registration. Whether it is online or busy is not kept here: sessions and jobs tell."""

    id: int
    name: str
    scope: Scope
    group_id: int
    labels: tuple[str, ...]
    ephemeral: bool
    client_id: str
    public_key: RSAPublicKey | None
    """None: nobody can ever connect as this runner."""
    fips: bool = True
    """It signs with PS256, else with RS256: ``RequireFipsCryptography`` in its credentials."""
    os: str = "unknown"
    version: str | None = None


class Phase(StrEnum):
    QUEUED = "queued"
    ASSIGNED = "assigned"
    """On its way to a runner, which has not acknowledged it yet."""
    ACKNOWLEDGED = "acknowledged"
    RUNNING = "in_progress"
    COMPLETED = "completed"


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One step of a job as a workflow has it: a shell script (``run``) or an action (``uses``)."""

    name: str | None = None
    run: str | None = None
    uses: str | None = None
    with_: dict[str, str] = msgspec.field(default={}, name="with")
    env: dict[str, str] = {}
    condition: str | None = msgspec.field(default=None, name="if")
    id: str | None = None
    shell: str | None = None
    working_directory: str | None = msgspec.field(default=None, name="working-directory")

    def __post_init__(self) -> None:
        if (self.run is None) == (self.uses is None):
            raise ValueError("A step has either 'run' or 'uses'")
        if self.run is None and (self.shell or self.working_directory):
            raise ValueError("'shell' and 'working-directory' go with 'run'")
        if self.uses is None and self.with_:
            raise ValueError("'with' goes with 'uses'")


@dataclass(frozen=True, kw_only=True)
class Job:
    id: int
    run_id: int
    repository: Scope
    name: str
    workflow: str
    runs_on: tuple[str, ...]
    steps: tuple[Step, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    event_name: str = "workflow_dispatch"
    event: Mapping[str, Any] = field(default_factory=dict)
    """What the workflow was told of what triggered it."""
    permissions: Mapping[str, str] = field(default_factory=dict)
    """Beyond reading, as a workflow asks for them: ``{"id-token": "write"}``."""
    sha: str
    created_at: float
    phase: Phase = Phase.QUEUED
    conclusion: str | None = None
    runner: Runner | None = None
    request_id: str | None = None
    """Names this assignment; a job that is queued again gets another."""
    deadline: float | None = None
    """Until when the assignment must be acknowledged, or the lease renewed."""
    assignments: int = 0
    ref: str = "refs/heads/main"
    actor: str = "octocat"
    started_at: float | None = None
    completed_at: float | None = None

    @property
    def status(self) -> str:
        """In GitHub's words: an assigned job is still queued."""
        return "queued" if self.phase in {Phase.ASSIGNED, Phase.ACKNOWLEDGED} else self.phase.value

    @property
    def guid(self) -> str:
        """Its id as runners have it: they take nothing but a GUID."""
        return f"00abcdef-0000-0000-0000-{self.id:012x}"

    @property
    def orchestration_id(self) -> str:
        return f"{self.request_id}.{self.name}.__default"

    @property
    def workflow_ref(self) -> str:
        return f"{self.repository}/.github/workflows/ci.yml@{self.ref}"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One REST call that reached the sandbox."""

    method: str
    path: str
    """GitHub's path, without ``/api/v3`` and the query."""
    status: int
    """0 when the connection was closed before the call was handled."""
    at: float
    query: str = ""
    answered: bool = True
    """False when the caller never saw the answer."""


class RunnerView(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    scope: str
    status: str
    busy: bool
    labels: tuple[str, ...]
    ephemeral: bool
    os: str
    version: str | None
    group_id: int
    job_id: int | None


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    name: str
    status: str
    """``queued``, ``pending``, ``in_progress`` or ``completed``."""
    conclusion: str | None
    """``success``, ``failure``, ``cancelled`` or ``skipped`` once completed."""
    started_at: str | None
    completed_at: str | None
    lines: tuple[str, ...]
    summary: str | None


class AnnotationView(msgspec.Struct, frozen=True, kw_only=True):
    level: str
    """``notice``, ``warning`` or ``failure``."""
    message: str
    step: int | None
    """The number of the step that it is about."""


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    run_id: int
    repository: str
    name: str
    workflow: str
    labels: tuple[str, ...]
    status: str
    """``queued``, ``in_progress`` or ``completed``."""
    conclusion: str | None
    """``success``, ``failure`` or ``cancelled`` once completed."""
    runner_id: int | None
    runner_name: str | None
    assignments: int
    """How often it was handed to a runner."""
    created_at: float
    started_at: float | None
    completed_at: float | None
    lines: tuple[str, ...]
    """Its log without time stamps: what the live feed brought, and once it is uploaded the whole."""
    steps: tuple[StepView, ...]
    annotations: tuple[AnnotationView, ...]
