"""The values that the core hands around: whole, frozen, told by keyword."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from . import job_env, names
from .errors import FieldError
from .paging import OLDEST_FIRST, Place, Sort
from .states import LIVE, Desired, How, RunnerState


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where a runner is registered: a repository, or an organization (``repo`` is None)."""

    owner: str
    repo: str | None = None

    @classmethod
    def of(cls, *, repo: str | None = None, org: str | None = None) -> Scope:
        """From what a caller typed; exactly one of the two. Raises ``InvalidRequest``."""
        if repo is not None and org is None:
            owner, name = names.repository(repo)
            return cls(owner=owner, repo=name)
        if org is not None and repo is None:
            return cls(owner=names.organization(org))
        message = "A repository and an organization were both given" if repo else "No repository was given"
        raise names.invalid("repo", message, hint="Name one repository (OWNER/REPO) or one organization")

    @classmethod
    def parse(cls, text: str) -> Scope:
        """The inverse of ``str()``, for stored values."""
        owner, slash, repo = text.partition("/")
        return cls(owner=owner, repo=repo if slash else None)

    def __str__(self) -> str:
        return self.text

    @cached_property
    def text(self) -> str:
        """``owner/repo``, or the organization's login: put together once, for lists show it thousands of times."""
        return f"{self.owner}/{self.repo}" if self.repo else self.owner

    @property
    def path(self) -> str:
        """The REST path below the API's base, without slashes around it."""
        return f"repos/{self.owner}/{self.repo}" if self.repo else f"orgs/{self.owner}"

    def same_as(self, other: Scope) -> bool:
        """GitHub's names do not regard case."""
        return str(self).lower() == str(other).lower()


@dataclass(frozen=True, kw_only=True)
class RunnerSpec:
    """What a create asks for, checked and complete."""

    name: str
    scope: Scope
    labels: tuple[str, ...]
    """Includes the name."""
    ephemeral: bool = True
    daemonize: bool = True
    """False: the runner belongs to the process that made it and ends with it."""
    group: str | None = None
    version: str = "latest"
    workdir: str = "_work"
    tenant: str | None = None
    """In whose name it was asked for; None: the operator's."""
    may_be_public: bool = False
    """Whoever asked for it may have runners of public repositories, whatever the settings say."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables for its jobs, beside those of the settings."""

    @classmethod
    def of(
        cls,
        *,
        name: str,
        scope: Scope,
        labels: str | Iterable[str],
        ephemeral: bool = True,
        daemonize: bool = True,
        group: str | None = None,
        version: str = "latest",
        workdir: str = "_work",
        tenant: str | None = None,
        env: Mapping[Any, Any] | None = None,
    ) -> RunnerSpec:
        """Checks every part; raises ``InvalidRequest`` naming the first field that is wrong."""
        if group is not None and scope.repo is not None:
            raise names.invalid(
                "group",
                "Runner groups belong to organizations",
                hint="Leave the group out, or register for an organization",
            )
        return cls(
            name=names.runner_name(name),
            scope=scope,
            labels=names.labels(labels, name=name),
            ephemeral=ephemeral,
            daemonize=daemonize,
            group=None if group is None else names.group(group),
            version=names.runner_version(version),
            workdir=names.workdir(workdir),
            tenant=tenant,
            env=job_env.checked(env or {}),
        )


class ProcessId(NamedTuple):
    """A process is more than its pid: a reused pid has other start ticks, a rebooted host another boot id."""

    pid: int
    start_ticks: int
    """Field 22 of ``/proc/PID/stat``."""
    boot_id: str
    namespaces: str = ""
    """In which both are counted (``host/visibility.py``); empty: whoever wrote it down did not say."""


class LastError(NamedTuple):
    """What the last step came to that the engine took for a runner and that failed."""

    code: str
    message: str
    hint: str | None = None
    retry_after: float | None = None
    kind: str = ""
    """The error's class: some share a code."""
    errors: tuple[FieldError, ...] = ()


class Runner(NamedTuple):
    """One life of a runner: a row of the store.

    A tuple and not a dataclass because lists make thousands of them, and a wide frozen dataclass is slow to make.
    """

    id: str
    """Short, random, never reused; names its files, its lock-step actions and its orphan tasks."""
    seq: int
    """Grows with every life; pages are cut by it."""
    name: str
    scope: Scope
    tenant: str | None
    state: RunnerState
    desired: Desired
    revision: int
    """Counts the writes to the row; a writer that saw an older one is refused."""
    labels: tuple[str, ...]
    ephemeral: bool
    daemonize: bool
    group: str | None
    version: str
    """The runner package's version; what was asked for until it is resolved."""
    workdir: str
    root: str
    root_inode: tuple[int, int] | None
    """(device, inode) of the root directory: the only directory that is ever removed for this life."""
    asked_at: float | None
    """When GitHub was asked to register it: from then on a registration may exist."""
    github_id: int | None
    github_status: str | None
    github_busy: bool | None
    github_seen_at: float | None
    """The last observation of the registration, and when it was made."""
    deregistered_at: float | None
    handle: str | None
    """What the backend needs to find the processes again: opaque JSON."""
    ending: RunnerState | None
    """While ``removing``: the state in which this life ends."""
    reason: str | None
    job_uid: int | None
    job_gid: int | None
    """Whom its jobs run as; None: as the manager."""
    may_be_public: bool
    """Whoever asked for it may have runners of public repositories, whatever the settings say."""
    exposed_at: float | None
    """When its repository was found to be public, which it may not be; None: it is not, as far as is known."""
    created_at: float
    changed_at: float
    started_at: float | None
    ended_at: float | None
    how: How = How.GENTLE
    """In which way ``desired`` is wanted, if that is not ``running``."""
    wanted_at: float | None = None
    wanted_by: str | None = None
    """``command``, ``tenant NAME``, ``pool NAME``, ``policy NAME``; None: nobody remembers."""
    wants: int = 0
    """Counts the changes of what is wanted; they never conflict with ``revision``."""
    started_wants: int = 0
    """What ``wants`` was when its last start began."""
    deadline: float | None = None
    settle_until: float | None = None
    """Both in seconds of CLOCK_BOOTTIME, in the boot of ``boot_id``."""
    boot_id: str | None = None
    back_to: RunnerState | None = None
    back_desired: Desired | None = None
    """Where a removal goes back to when GitHub says that a job runs."""
    backend: str = "process"
    host_id: str | None = None
    due: float | None = None
    """When the engine looks at it again, by the wall clock; None: now."""
    attempts: int = 0
    """How often in a row its next step failed."""
    last_error: LastError | None = None
    changes: int = 0
    """Counts every write to the row, also those that leave its revision: notes, and what is wanted."""
    offline_since: float | None = None
    """The first of the listings in a row that showed it as offline, since its last start; None: the last did not."""
    env: Mapping[str, str] = MappingProxyType({})
    """Variables that its create gave to its jobs, beside those of the settings."""

    @property
    def job_user(self) -> tuple[int, int] | None:
        """(uid, gid)."""
        return None if self.job_uid is None or self.job_gid is None else (self.job_uid, self.job_gid)

    @property
    def live(self) -> bool:
        return self.state in LIVE

    @property
    def registered(self) -> bool:
        """A registration exists at GitHub as far as we know."""
        return self.github_id is not None and self.deregistered_at is None


class Event(NamedTuple):
    """One step of a runner's history."""

    runner_id: str
    at: float
    old: RunnerState | None
    new: RunnerState
    reason: str | None


class EventType(StrEnum):
    STATE = "state"
    """A runner went from ``old`` to ``new``."""
    WANTED = "wanted"
    """Something else is wanted of a runner: ``data`` has ``desired``, ``how`` and ``by``."""
    JOB = "job"
    """A runner's job began or ended: ``data`` has its ``id`` and ``name``, and how it ended."""
    NOTE = "note"


class StoredEvent(NamedTuple):
    """One of the single sequence of events of all runners."""

    seq: int
    """Grows with every event and is never used again: what comes later is beyond it."""
    at: float
    type: EventType
    runner_id: str | None
    old: str | None
    new: str | None
    reason: str | None
    data: Mapping[str, Any]


class Job(NamedTuple):
    """A GitHub job that a runner ran."""

    id: int
    runner_id: str
    name: str
    repository: str | None
    workflow: str | None
    run_id: str | None
    """These three are the job's own word."""
    started_at: float
    ended_at: float | None
    result: str | None
    """One of ``jobs.RESULTS``; None: it runs, or nobody knows."""
    reason: str | None
    """Why it ended, if not by itself."""
    result_from: str | None = None
    """``listener`` (its exit status) or ``log`` (a line, which a job can forge)."""
    run_attempt: str | None = None
    """The job's own word, too."""

    @property
    def seconds(self) -> float | None:
        return None if self.ended_at is None else max(0.0, self.ended_at - self.started_at)


class RunJob(NamedTuple):
    """A job with whose it was."""

    job: Job
    runner: str
    scope: str


class JobQuery(NamedTuple):
    """Which jobs a list is about."""

    runner: str | None = None
    repo: str | None = None
    """Where the job says it is from; one that says nothing is of its runner's repository."""
    result: str | None = None
    since: float | None = None
    tenant: str | None = None
    after: Place | None = None
    limit: int = 100


class OrphanKind(StrEnum):
    REGISTRATION = "registration"
    """One that may be left at GitHub although its runner is gone here."""
    DIRECTORY = "directory"
    """A runner's directory that could not be deleted: mostly set aside, so that it is in nobody's way."""


class Orphan(NamedTuple):
    """What could not be cleared yet when its runner went: it has no runner's name and no slot, and is tried again."""

    id: int
    """Never used again."""
    kind: OrphanKind
    runner_id: str
    scope: Scope
    name: str
    labels: tuple[str, ...]
    github_id: int | None
    """Of a registration; None: GitHub never answered the create; it is looked up by name, and must look like ours."""
    path: str | None
    """Of a directory: where it is now."""
    reason: str
    hint: str | None
    """What has to be done by hand first, if anything."""
    created_at: float
    tries: int
    next_try_at: float

    @property
    def what(self) -> str:
        """In a few words."""
        if self.path is not None:
            return self.path
        return f"{self.name} in {self.scope}" + ("" if self.github_id is None else f" (id {self.github_id})")


class Backoff(NamedTuple):
    """A scope in which nothing is begun by ourselves for a while."""

    scope: Scope
    until: float
    tries: int
    """How often in a row it went wrong."""
    reason: str


class RunnerQuery(NamedTuple):
    """Which runners a list is about."""

    every: bool = False
    """Those whose life has ended, too; a ``state`` includes them by itself."""
    state: RunnerState | None = None
    scope: str | None = None
    label: str | None = None
    tenant: str | None = None
    """Only those of this tenant."""
    since: float | None = None
    """Only those whose state has changed since then."""
    sort: Sort = OLDEST_FIRST
    after: Place | None = None
    limit: int = 100


class Absence(NamedTuple):
    """How many listings in a row, far enough apart, did not hold a registration."""

    times: int
    counted_at: float


class Sighting(NamedTuple):
    """A registration as GitHub listed it."""

    runner_id: str
    status: str
    busy: bool
    at: float
    offline_since: float | None = None
