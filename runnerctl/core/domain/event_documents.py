"""The document of an event, as pages and streams tell it.

A tenant is told of its own runners, and who wanted something of one; the id of a request only if that was its own.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from . import jobs
from .document_types import EndedJobToldBy, Result, ScopeNamed
from .event_queries import RunnerEvent
from .event_sentences import sentence
from .models import EventType, StoredEvent
from .shape import Time
from .states import Desired, How, RunnerState
from .timestamps import precise, timestamp


class EventJob(TypedDict):
    """A job that began or ended."""

    id: int
    what: Literal["began", "ended"]
    name: str
    repository: str | None
    workflow: str | None
    run_id: str | None
    run_attempt: str | None
    ended_at: Time | None
    seconds: float | None
    result: Result | None
    """Null when it begins, and where nobody knows."""
    told_by: EndedJobToldBy


class EventWanted(TypedDict):
    """What is wanted of a runner from then on."""

    desired: Desired
    how: How


_Step = TypedDict("_Step", {"from": RunnerState | None})


class EventDocument(_Step, ScopeNamed):
    """What happened to a runner."""

    id: int
    """Grows with every event of the host, and is never used again."""
    at: Time
    type: EventType
    """``state``: it went ``from`` one state ``to`` another."""
    runner: str | None
    """Its name."""
    runner_id: str | None
    to: RunnerState | None
    reason: str | None
    job: EventJob | None
    wanted: EventWanted | None
    by: str | None
    """Who wanted it."""
    request_id: str | None
    """Of the request that wanted it; a tenant sees its own only."""
    text: str | None
    """As a sentence, after the runner's name; null where another event says it."""


def event_document(told: RunnerEvent, *, for_tenant: str | None) -> EventDocument:
    """``for_tenant``: None for who sees all. ``text`` is None where another event says it."""
    event = told.event
    said = sentence(event, scope=told.scope or "")
    by = event.data.get("by")
    own = for_tenant is None or by == f"tenant {for_tenant}"
    return {
        "id": event.seq,
        "at": precise(event.at),
        "type": event.type,
        "runner": told.runner,
        "runner_id": event.runner_id,
        **_scope(told.scope),
        "from": None if event.old is None else RunnerState(event.old),
        "to": None if event.new is None else RunnerState(event.new),
        "reason": event.reason,
        "job": _job(event) if event.type is EventType.JOB else None,
        "wanted": _wanted(event) if event.type is EventType.WANTED else None,
        "by": by,
        "request_id": event.data.get("request_id") if own else None,
        "text": event.reason if event.type is EventType.NOTE else said and said.text,
    }


def _scope(kept: str | None) -> ScopeNamed:
    if kept is None:
        return {}
    return {"repo": kept} if "/" in kept else {"org": kept}


def _wanted(event: StoredEvent) -> EventWanted:
    return {"desired": Desired(event.data["desired"]), "how": How(event.data["how"])}


def _job(event: StoredEvent) -> EventJob:
    data = event.data
    repository = data.get("repository")
    return {
        "id": data["id"],
        "what": "ended" if "ended_at" in data else "began",
        "name": data["name"],
        "repository": repository,
        "workflow": data.get("workflow"),
        "run_id": data.get("run_id"),
        "run_attempt": data.get("run_attempt"),
        "ended_at": timestamp(data.get("ended_at")),
        "seconds": data.get("seconds"),
        "result": data.get("result"),
        "told_by": {"result": data.get("result_from"), **jobs.told_by(repository)},
    }
