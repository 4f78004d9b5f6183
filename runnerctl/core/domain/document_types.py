"""The documents' types: what both front ends give out, field by field; the server's description is made of them.

A line below a field is told to who reads the description. ``documents`` and ``jobs`` build them.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from .models import OrphanKind
from .observation import Phase
from .shape import Time
from .states import Desired, RunnerState
from .version_end import VersionDocument

StatusWord = Literal["running", "installed_not_running", "not_installed", "unknown"]
ShownState = RunnerState | Literal["connecting"]
Result = Literal["succeeded", "failed", "cancelled", "skipped", "abandoned"]


class ScopeNamed(TypedDict, total=False):
    """One of the two."""

    repo: str
    """OWNER/REPO that it is registered in; absent for an organization's."""
    org: str
    """The organization that it is registered in; absent for a repository's."""


class JobToldBy(TypedDict):
    """Whose word it is; what the log or the job says, a job can forge."""

    name: Literal["log"]
    origin: Literal["job"] | None
    """Of repository, workflow and run."""


class EndedJobToldBy(JobToldBy):
    """Whose word it is; what the log or the job says, a job can forge."""

    result: Literal["listener", "log"] | None
    """``listener``: its exit status, which no job can forge."""


class CurrentJob(TypedDict):
    """The job that a runner runs now."""

    name: str
    started_at: Time | None
    repository: str | None
    workflow: str | None
    run_id: str | None
    run_attempt: str | None
    told_by: JobToldBy


class JobDocument(TypedDict):
    """A job that a runner ran."""

    name: str
    repository: str | None
    workflow: str | None
    run_id: str | None
    run_attempt: str | None
    started_at: Time
    ended_at: Time | None
    """Null while it runs."""
    seconds: float | None
    result: Result | None
    """Null while it runs, and where nobody knows."""
    reason: str | None
    """Why it ended, if not by itself."""
    told_by: EndedJobToldBy


class ListedJob(JobDocument):
    """A job of a list, with whose it was."""

    id: int
    runner: str
    scope: str
    """The repository or organization that its runner was registered in."""


class GitHubWord(TypedDict):
    """What GitHub said of the registration when it was last asked."""

    status: Literal["online", "offline", "unknown"] | None
    """``unknown`` once what it said is overdue."""
    busy: bool | None
    age: float
    """How many seconds ago it said so."""


class PhaseToldBy(TypedDict):
    """Whose word the phase is."""

    phase: Literal["kernel", "log"] | None
    """``log``: its Listener's lines, which a job can forge; null where no process runs."""


class UnknownRunner(TypedDict):
    """The status of a name that no runner ever had, or none that the caller sees."""

    status: Literal["not_installed"]
    name: str
    pid: None


class SeenFacts(TypedDict):
    """What a status tells beside its word."""

    name: str
    pid: int | None
    """Its Listener's, or its Worker's."""
    state: ShownState
    """Where it is in its life; ``connecting``: its Listener lives and cannot reach GitHub."""
    phase: Phase | RunnerState | None
    """Deprecated, see ``state``: what its Listener is doing."""
    told_by: PhaseToldBy
    job: CurrentJob | None
    """The one that it runs now."""
    last_job: JobDocument | None
    """The last that it ran to its end."""
    github: GitHubWord | None
    degraded: str | None
    """What is not as it should be."""
    reason: str | None
    """Why it is in that state."""
    package: VersionDocument | None
    """When the version that it runs ends; null where that is not runnerctl's to see to."""


class StatusDocument(SeenFacts):
    """How a runner is."""

    status: StatusWord


class RowFacts(ScopeNamed):
    """What a runner's row tells, but for what is seen of it."""

    id: str
    """Of this life: a name may have many, one after the other."""
    tenant: str | None
    """In whose name it was made; null for the operator's."""
    desired: Desired
    """What the last command wants of it."""
    labels: tuple[str, ...]
    ephemeral: bool
    """It ends after one job."""
    daemonize: bool
    """It outlives the server."""
    group: str | None
    version: str
    """Of actions/runner."""
    workdir: str
    github_id: int | None
    """The registration's."""
    created_at: Time
    changed_at: Time
    started_at: Time | None
    ended_at: Time | None
    env: dict[str, str]
    """Variables that its create gave to its jobs."""


class RunnerDocument(RowFacts, SeenFacts):
    """A runner: one life of it, and what is seen of its processes."""

    status: StatusWord


HistoryEvent = TypedDict(
    "HistoryEvent", {"at": Time, "from": RunnerState | None, "to": RunnerState, "reason": str | None}
)
HistoryEvent.__doc__ = "A change of a runner's state; the first is from null."


class RunnerWithHistory(RunnerDocument):
    """A runner with all changes of its state."""

    history: list[HistoryEvent]


class Warned(TypedDict, total=False):
    """Something was done, but not as well as it should be."""

    warning: str
    """What is not as it should be."""


class RemovedRunner(Warned):
    """A runner that is gone."""

    status: Literal["removed"]
    name: str


class StoppedRunner(Warned):
    """A runner that was stopped, and can be started again."""

    status: Literal["stopped"]
    name: str


class DrainingRunner(Warned):
    """A runner that takes no further job, finishes the one that runs, and then goes on to what was asked for."""

    status: Literal["draining"]
    name: str


class StartedRunner(RowFacts, SeenFacts):
    """A runner that was started."""

    status: Literal["started"]


class UndrainedRunner(RowFacts, SeenFacts):
    """A runner whose drain was taken back."""

    status: Literal["undrained"]


class RestartedRunner(RowFacts, SeenFacts, Warned):
    """A runner that was restarted."""

    status: Literal["restarted"]


class OrphanDocument(ScopeNamed):
    """What could not be cleared yet when its runner went."""

    id: int
    kind: OrphanKind
    what: str
    """In a few words."""
    runner: str
    runner_id: str
    github_id: int | None
    """Of a registration; null for a directory, and where GitHub never answered."""
    path: str | None
    """Of a directory: where it is now."""
    reason: str
    hint: str | None
    """What has to be done by hand first, if anything."""
    command: str
    """Clears it, on its host."""
    since: Time
    tries: int
    next_try: Time


class ForgottenOrphan(OrphanDocument):
    """What nobody tries to clear any more; what it is about stays as it is."""

    status: Literal["forgotten"]


class UsageSums(TypedDict):
    """What some jobs come to."""

    jobs: int
    running: int
    """Those of whose end nothing is known."""
    succeeded: int
    failed: int
    cancelled: int
    """Also those that were abandoned."""
    seconds: float
    """Of those that ended."""
    waiting_seconds: float | None
    """How long they waited at GitHub; null while GitHub does not tell."""


class RepoUsage(UsageSums):
    """What the jobs of one repository come to."""

    repo: str
    """In small letters; an organization where its runners' jobs do not say where they are from."""


class TenantUsage(UsageSums):
    """What the jobs of one tenant's runners come to."""

    tenant: str | None
    """Null for the operator's."""


class UsageDocument(TypedDict):
    """What ran here, summed up over jobs."""

    by: Literal["repo", "tenant"]
    since: Time | None
    until: Time | None
    items: list[RepoUsage | TenantUsage]
    """The most seconds first."""
    total: UsageSums
    left_out: int
    """How many items there are beyond the limit; they are in the total."""
