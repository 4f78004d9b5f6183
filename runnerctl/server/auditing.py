"""What is told to the audit log of a request, and how often of who is refused."""

from __future__ import annotations

from aiohttp import web

from runnerctl.core import Actor, audit

from .auth.sources import neighbourhood
from .keys import ACTOR, CLAIMED, ID, REFUSALS, SERVICES, SOURCES, UNCHANGED
from .refusals import NOBODY, Caller


def tell(request: web.Request, action: str, what: str, result: str) -> None:
    """One line."""
    actor = request.get(ACTOR)
    request.app[SERVICES].audit.write(
        audit.AuditEntry(
            actor=actor.id if actor is not None else request.get(CLAIMED, NOBODY),
            source=request.app[SOURCES].of(request),
            action=action,
            object=what,
            result=result,
            request_id=request[ID],
            changed=UNCHANGED not in request,
        )
    )


def is_told(request: web.Request) -> bool:
    """Whether one more refusal of whoever asks is, by itself; the operator's always are."""
    actor = request.get(ACTOR)
    if actor is not None and actor.limits is None:
        return True
    who = known(request)
    if who is not None:
        return request.app[REFUSALS].is_told(Caller(who, ""))
    return request.app[REFUSALS].is_told(Caller(NOBODY, neighbourhood(request.app[SOURCES].of(request))))


def known(request: web.Request) -> str | None:
    """By whose name we know who asks, if we do."""
    actor: Actor | None = request.get(ACTOR)
    claimed: str | None = request.get(CLAIMED)
    return claimed if actor is None else actor.tenant or actor.id
