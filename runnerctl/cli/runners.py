"""Runners as rows and documents of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerctl.core.domain import documents, jobs
from runnerctl.core.domain.documents import Status
from runnerctl.core.domain.models import Job, Runner
from runnerctl.core.domain.observation import SeenJob
from runnerctl.core.domain.version_end import version_text

from .render import Row

if TYPE_CHECKING:
    from runnerctl.core.domain.document_types import CurrentJob, GitHubWord, RunnerDocument


def document(status: Status) -> RunnerDocument:
    return documents.full_document(status)


LEAST_NEEDED = ("LABELS", "PID", "STATUS", "SCOPE", "LAST_JOB", "REASON")
"""Columns of ``list`` that a narrow terminal does without, in this order."""


def row(status: Status) -> Row:
    """A line of ``list``."""
    runner = _runner(status)
    seen = status.seen
    return {
        "NAME": runner.name,
        "STATUS": status.word,
        "STATE": status.state,
        "PID": seen.pid if seen else None,
        "SCOPE": runner.scope,
        "LABELS": runner.labels,
        "JOB": seen.job if seen else None,
        "LAST_JOB": None if status.last_job is None else last_job(status.last_job, reason=False),
        "AGE": age(status.now - runner.created_at),
        "REASON": runner.reason,
    }


def short_row(status: Status) -> Row:
    """One runner after something was done to it."""
    runner = _runner(status)
    return {
        "NAME": runner.name,
        "STATUS": status.word,
        "PID": status.seen.pid if status.seen else None,
        "STATE": status.state,
        "SCOPE": runner.scope,
        "GITHUB_ID": runner.github_id,
        "LABELS": runner.labels,
    }


def status_row(status: Status) -> Row:
    """All that ``status`` tells of one runner."""
    runner = _runner(status)
    facts = documents.seen_facts(status, runner)
    return {
        "NAME": runner.name,
        "STATUS": status.word,
        "PID": facts["pid"],
        "STATE": status.state,
        "PHASE": facts["phase"],
        "SCOPE": runner.scope,
        "JOB": _job(facts["job"]),
        "LAST_JOB": None if status.last_job is None else last_job(status.last_job),
        "GITHUB": _github(runner, facts["github"]),
        "LABELS": runner.labels,
        "PACKAGE": runner.version if status.version is None else version_text(status.version, status.now),
        "AGE": age(status.now - runner.created_at),
        "REASON": facts["reason"],
        "DEGRADED": facts["degraded"],
    }


def last_job(job: Job | SeenJob, *, reason: bool = True) -> str:
    """``build: failed``, and why."""
    why = f", {job.reason}" if reason and job.reason else ""
    return f"{job.name}: {jobs.shown_result(job)}{why}"


def _job(facts: CurrentJob | None) -> str | None:
    """Its name is the log's word, where it comes from its own."""
    if facts is None:
        return None
    origin = " ".join(filter(None, (facts["repository"], facts["workflow"], facts["run_id"])))
    named = f"{facts['name']} (named by its log)"
    return f"{named}, says it is from {origin}" if origin else named


def _github(runner: Runner, facts: GitHubWord | None) -> str | None:
    if facts is None:
        return "not asked yet" if runner.live and runner.registered else None
    if facts["status"] == documents.UNKNOWN:
        return f"unknown since {age(facts['age'])}"
    return f"{facts['status']}, seen {age(facts['age'])} ago"


def age(seconds: float) -> str:
    """``45s``, ``12m``, ``3h``, ``4d``."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def _runner(status: Status) -> Runner:
    assert status.runner is not None  # noqa: S101 - only runners that are known get a row
    return status.runner
