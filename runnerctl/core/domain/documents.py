"""Runners as documents: the JSON that both front ends give out (interface.md §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from . import jobs
from .durations import shown
from .models import Event, Job, Orphan, OrphanKind, Runner, Scope
from .observation import Observation, Phase, SeenJob
from .states import RunnerState
from .timestamps import timestamp
from .version_end import VersionEnd, version_document

if TYPE_CHECKING:
    from .document_types import (
        CurrentJob,
        GitHubWord,
        HistoryEvent,
        OrphanDocument,
        RestartedRunner,
        RowFacts,
        RunnerDocument,
        RunnerWithHistory,
        ScopeNamed,
        SeenFacts,
        ShownState,
        StartedRunner,
        StatusDocument,
        StatusWord,
        UndrainedRunner,
        UnknownRunner,
        Warned,
    )

RUNNING: Final = "running"
INSTALLED: Final = "installed_not_running"
NOT_INSTALLED: Final = "not_installed"
UNKNOWN: Final = "unknown"
CONNECTING: Final = "connecting"
LISTENERS_WORD = "told by its Listener's output"
"""Which a job can forge."""
KERNEL: Final = "kernel"
OFFLINE = "GitHub shows it as offline, though its Listener lives"
OVERDUE_SECONDS = 90.0
"""GitHub is listed every minute; what it said longer ago than that, and the time that a listing takes, is unknown."""


class Status(NamedTuple):
    """A runner's row together with what was seen of its processes at that moment; both None for a name never known."""

    name: str
    runner: Runner | None
    seen: Observation | None
    degraded: str | None
    """What is not as it should be with a runner that runs, or holds back one that does not."""
    now: float
    last_job: Job | SeenJob | None = None
    """The last that it ran to its end."""
    version: VersionEnd | None = None
    """When the version that it runs ends; None where that is not ours to see to."""

    @property
    def word(self) -> StatusWord:
        """The guide's three words, and ``unknown`` where its processes cannot be seen."""
        if self.seen is not None and self.seen.running:
            return RUNNING
        if self.seen is not None and self.seen.running is None:
            return UNKNOWN
        return INSTALLED if self.runner is not None and self.runner.live else NOT_INSTALLED

    @property
    def state(self) -> ShownState | None:
        """The row's, but for one that cannot reach GitHub: by its Listener's own word, so that no row says it."""
        if self.runner is not None and self.seen is not None and self.seen.running and self.connecting:
            return CONNECTING
        return None if self.runner is None else self.runner.state

    @property
    def connecting(self) -> bool:
        waits = self.runner is not None and self.runner.state in {RunnerState.STARTING, RunnerState.IDLE}
        return waits and self.seen is not None and self.seen.phase is Phase.CONNECTING


def unknown(name: str) -> Status:
    """Of a name never known."""
    return Status(name=name, runner=None, seen=None, degraded=None, now=0.0)


def status_document(status: Status) -> StatusDocument | UnknownRunner:
    """``{"status", "name", "pid"}`` and more, if there is such a runner."""
    if status.runner is None:
        return {"status": NOT_INSTALLED, "name": status.name, "pid": None}
    return {"status": status.word, **seen_facts(status, status.runner)}


def seen_facts(status: Status, runner: Runner) -> SeenFacts:
    """``runner`` is the status's own."""
    seen = status.seen
    running = seen is not None and seen.running
    return {
        "name": status.name,
        "pid": seen.pid if seen else None,
        "state": status.state or runner.state,
        "phase": seen.phase if running and seen else runner.state,
        "told_by": {"phase": _phase_told_by(seen)},
        "job": job_document(seen),
        "last_job": None if status.last_job is None else jobs.document(status.last_job),
        "github": github_document(runner, status.now),
        "degraded": status.degraded,
        "reason": runner.reason,
        "package": None if status.version is None else version_document(status.version, status.now),
    }


def _phase_told_by(seen: Observation | None) -> Literal["kernel", "log"] | None:
    """A Worker and an end are seen; for all else there are the Listener's lines alone, which a job can forge."""
    if seen is None or not seen.running:
        return None
    return KERNEL if seen.phase is Phase.BUSY else jobs.LOG


def job_document(seen: Observation | None) -> CurrentJob | None:
    if seen is None or seen.job is None:
        return None
    running = next((job for job in seen.jobs if job.ended_at is None), None)
    return {
        "name": seen.job,
        "started_at": timestamp(seen.job_started_at),
        "repository": running and running.repository,
        "workflow": running and running.workflow,
        "run_id": running and running.run_id,
        "run_attempt": running and running.run_attempt,
        "told_by": jobs.told_by(running and running.repository),
    }


def github_document(runner: Runner, now: float) -> GitHubWord | None:
    """GitHub's word about the registration, and how many seconds ago it said so; unknown once that is overdue."""
    age = github_age(runner, now)
    if age is None:
        return None
    if is_overdue(runner, now):
        return {"status": UNKNOWN, "busy": None, "age": age}
    return {"status": _github_status(runner.github_status), "busy": runner.github_busy, "age": age}


def _github_status(said: str | None) -> Literal["online", "offline", "unknown"] | None:
    """GitHub may learn other words."""
    match said:
        case None | "online" | "offline":
            return said
        case _:
            return UNKNOWN


def offline_since(runner: Runner, now: float) -> float | None:
    """Since which of its listings GitHub has shown it as offline, as far as that counts: this start of it, and now."""
    since = runner.offline_since
    if since is None or runner.started_at is None or since < runner.started_at:
        return None
    return None if is_overdue(runner, now) else since


def offline_text(runner: Runner, seen: Observation, now: float) -> str | None:
    """What GitHub says of one that should be online; while it works, that means nothing."""
    since = offline_since(runner, now)
    if since is None or not seen.running or seen.job is not None:
        return None
    return f"{OFFLINE}, since {shown(max(0.0, now - since))}"


def is_overdue(runner: Runner, now: float) -> bool:
    """What GitHub said of it last is too old to count, or was never said."""
    return runner.github_seen_at is None or now - runner.github_seen_at > OVERDUE_SECONDS


def github_age(runner: Runner, now: float) -> float | None:
    """In tenths of a second; None for one of whom GitHub has nothing to say."""
    if runner.github_seen_at is None or runner.deregistered_at is not None:
        return None
    return round(max(0.0, now - runner.github_seen_at), 1)


def row_facts(runner: Runner) -> RowFacts:
    """All that the row tells beside what is seen; no process is looked at."""
    return {
        "id": runner.id,
        **_scope(runner.scope),
        "tenant": runner.tenant,
        "desired": runner.desired,
        "labels": runner.labels,
        "ephemeral": runner.ephemeral,
        "daemonize": runner.daemonize,
        "group": runner.group,
        "version": runner.version,
        "workdir": runner.workdir,
        "github_id": runner.github_id,
        "created_at": timestamp(runner.created_at),
        "changed_at": timestamp(runner.changed_at),
        "started_at": timestamp(runner.started_at),
        "ended_at": timestamp(runner.ended_at),
        "env": dict(runner.env),
    }


def _scope(scope: Scope) -> ScopeNamed:
    return {"repo": scope.text} if scope.repo else {"org": scope.text}


def listed_document(runner: Runner, status: Status | None, last_job: Job | None) -> RunnerDocument:
    """One of a list: the document of that runner without its history. ``status`` is None for one that has ended."""
    if status is not None and status.runner is not None:
        return full_document(status)
    return {
        "status": NOT_INSTALLED,
        "name": runner.name,
        **row_facts(runner),
        "pid": None,
        "state": runner.state,
        "phase": runner.state,
        "told_by": {"phase": None},
        "job": None,
        "last_job": None if last_job is None else jobs.document(last_job),
        "github": None,
        "degraded": None,
        "reason": runner.reason,
        "package": None,
    }


def full_document(status: Status) -> RunnerDocument:
    """The row, and what was seen of the processes. The status needs a runner."""
    runner = _runner(status)
    return {"status": status.word, **seen_facts(status, runner), **row_facts(runner)}


def document_with_history(status: Status, history: list[Event]) -> RunnerWithHistory:
    return {**full_document(status), "history": [event_document(event) for event in history]}


def started_document(status: Status) -> StartedRunner:
    runner = _runner(status)
    return {"status": "started", **seen_facts(status, runner), **row_facts(runner)}


def undrained_document(status: Status) -> UndrainedRunner:
    runner = _runner(status)
    return {"status": "undrained", **seen_facts(status, runner), **row_facts(runner)}


def restarted_document(status: Status, warned: Warned) -> RestartedRunner:
    runner = _runner(status)
    return {"status": "restarted", **warned, **seen_facts(status, runner), **row_facts(runner)}


def _runner(status: Status) -> Runner:
    assert status.runner is not None  # noqa: S101 - callers look it up first
    return status.runner


def orphan_document(orphan: Orphan) -> OrphanDocument:
    """What could not be cleared yet; ``command`` clears it, on its host."""
    return {
        "id": orphan.id,
        "kind": orphan.kind,
        "what": orphan.what,
        "runner": orphan.name,
        "runner_id": orphan.runner_id,
        **_scope(orphan.scope),
        "github_id": orphan.github_id if orphan.kind is OrphanKind.REGISTRATION else None,
        "path": orphan.path,
        "reason": orphan.reason,
        "hint": orphan.hint,
        "command": clearing_command(orphan),
        "since": timestamp(orphan.created_at),
        "tries": orphan.tries,
        "next_try": timestamp(orphan.next_try_at),
    }


def clearing_command(orphan: Orphan) -> str:
    """As it is typed on the host; a directory may hold what only root may delete."""
    sudo = "sudo " if orphan.kind is OrphanKind.DIRECTORY else ""
    return f"{sudo}runnerctl orphans clear {orphan.id}"


def event_document(event: Event) -> HistoryEvent:
    return {"at": timestamp(event.at), "from": event.old, "to": event.new, "reason": event.reason}
