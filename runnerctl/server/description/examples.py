"""Examples, made by the code that makes the documents: of one runner, from its create to its end."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import get_args, get_type_hints, is_typeddict

import msgspec

from runnerctl.core import (
    ActorDocument,
    ApiToken,
    Right,
    TenantUse,
    TokenDocument,
    TokenLimits,
    actor_document,
    token_document,
)
from runnerctl.core.domain import document_types as types
from runnerctl.core.domain import documents, jobs
from runnerctl.core.domain.documents import Status
from runnerctl.core.domain.errors import RunnerctlError
from runnerctl.core.domain.models import Event, Job, Orphan, OrphanKind, RunJob, Runner, Scope
from runnerctl.core.domain.observation import Observation, Phase, SeenJob
from runnerctl.core.domain.states import Desired, RunnerState
from runnerctl.core.domain.version_end import ToldBy, VersionEnd

from ..answers import problem_document
from ..bodies import CreateBody

_BEGAN = 1_795_500_000.0
_SCOPE = Scope(owner="octo-org", repo="octo-repo")
_REQUEST = "3f9c2a71b04d-2a"
_RUNNER = Runner(
    id="r5k2m9x1",
    seq=1,
    name="ci-1",
    scope=_SCOPE,
    tenant=None,
    state=RunnerState.BUSY,
    desired=Desired.RUNNING,
    revision=4,
    labels=("linux", "ci-1"),
    ephemeral=True,
    daemonize=True,
    group=None,
    version="2.336.0",
    workdir="_work",
    root="",
    root_inode=None,
    asked_at=_BEGAN,
    github_id=23,
    github_status="online",
    github_busy=True,
    github_seen_at=_BEGAN + 30,
    deregistered_at=None,
    handle=None,
    ending=None,
    reason=None,
    job_uid=None,
    job_gid=None,
    may_be_public=False,
    exposed_at=None,
    created_at=_BEGAN,
    changed_at=_BEGAN + 30,
    started_at=_BEGAN + 1,
    ended_at=None,
)
_SEEN_JOB = SeenJob(
    name="build",
    started_at=_BEGAN + 30,
    repository="octo-org/octo-repo",
    workflow="CI",
    run_id="15846092347",
    run_attempt="1",
)
_SEEN = Observation(
    running=True,
    supervised=True,
    pid=48213,
    phase=Phase.BUSY,
    job=_SEEN_JOB.name,
    job_started_at=_SEEN_JOB.started_at,
    jobs=(_SEEN_JOB,),
)
_STATUS = Status(
    name=_RUNNER.name,
    runner=_RUNNER,
    seen=_SEEN,
    degraded=None,
    now=_BEGAN + 42,
    version=VersionEnd(version="2.336.0", runtime_at=_BEGAN + 30 * 86400, told_by=ToldBy.GITHUB),
)
_EVENTS = [
    Event(_RUNNER.id, _BEGAN, None, RunnerState.PENDING, None),
    Event(_RUNNER.id, _BEGAN + 1, RunnerState.PENDING, RunnerState.REGISTERED, None),
]
_JOB = Job(
    id=7,
    runner_id=_RUNNER.id,
    name="build",
    repository="octo-org/octo-repo",
    workflow="CI",
    run_id="15846092347",
    run_attempt="1",
    started_at=_BEGAN + 30,
    ended_at=_BEGAN + 95,
    result=jobs.SUCCEEDED,
    result_from=jobs.LISTENER,
    reason=None,
)
_ORPHAN = Orphan(
    id=7,
    kind=OrphanKind.REGISTRATION,
    runner_id=_RUNNER.id,
    scope=_SCOPE,
    name=_RUNNER.name,
    labels=_RUNNER.labels,
    github_id=_RUNNER.github_id,
    path=None,
    reason="GitHub did not answer",
    hint=None,
    created_at=_BEGAN,
    tries=2,
    next_try_at=_BEGAN + 120,
)
_TOKEN = ApiToken(
    id="t3b8",
    name="games",
    rights=(Right.RUNNERS_READ, Right.RUNNERS_WRITE),
    limits=TokenLimits(tenant="games", repositories=("octo-org/*",), labels=("linux",), max_runners=4),
    created_at=_BEGAN,
    expires_at=_BEGAN + 90 * 86400,
    last_used_at=_BEGAN + 42,
    revoked_at=None,
)

_MADE: Mapping[type, Callable[[], object]] = {
    CreateBody: lambda: {"name": _RUNNER.name, "repo": _SCOPE.text, "labels": ["linux"], "ephemeral": True},
    types.StatusDocument: lambda: documents.status_document(_STATUS),
    types.RunnerDocument: lambda: documents.full_document(_STATUS),
    types.RunnerWithHistory: lambda: documents.document_with_history(_STATUS, _EVENTS),
    types.StartedRunner: lambda: documents.started_document(_STATUS),
    types.RestartedRunner: lambda: documents.restarted_document(_STATUS, {}),
    types.RemovedRunner: lambda: {"status": "removed", "name": _RUNNER.name},
    types.StoppedRunner: lambda: {"status": "stopped", "name": _RUNNER.name},
    types.DrainingRunner: lambda: {"status": "draining", "name": _RUNNER.name},
    types.ListedJob: lambda: jobs.listed(RunJob(_JOB, runner=_RUNNER.name, scope=_SCOPE.text)),
    types.OrphanDocument: lambda: documents.orphan_document(_ORPHAN),
    types.ForgottenOrphan: lambda: {**documents.orphan_document(_ORPHAN), "status": "forgotten"},
    ActorDocument: lambda: actor_document(_TOKEN.actor, TenantUse(), now=_BEGAN + 42, github_calls=1000),
    TokenDocument: lambda: token_document(_TOKEN, now=_BEGAN + 42),
}


def example(kind: type) -> dict[str, object]:
    """Of that kind of document, if there is one: as a part of what describes it."""
    found = _of(kind)
    return {} if found is None else {"example": msgspec.to_builtins(found)}


def _of(kind: type) -> object:
    if kind in _MADE:
        return _MADE[kind]()
    items = get_type_hints(kind).get("items") if is_typeddict(kind) else None
    (item,) = get_args(items) or (None,)
    if item not in _MADE:
        return None
    page = {"items": [_MADE[item]()]}
    return {**page, "next": None} if "next" in kind.__annotations__ else page


def problem_example(kind: type[RunnerctlError]) -> dict[str, object]:
    document = problem_document(kind(_said(kind), hint=None), request_id=_REQUEST)
    return {"value": document}


def _said(kind: type[RunnerctlError]) -> str:
    """Its name as words: what it says of a certain case, that case knows."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__.replace("GitHub", "Github")).capitalize()
