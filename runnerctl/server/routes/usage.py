"""What ran here, summed up; a tenant sees what its own runners ran."""

from __future__ import annotations

import msgspec
from aiohttp import web

from runnerctl.core import Action
from runnerctl.core.domain import moments, usage
from runnerctl.core.domain.document_types import UsageDocument
from runnerctl.core.domain.usage import UsageBy, UsageQuery

from ..allowances import caller
from ..answers import Answer
from ..keys import ACTOR, OFFLOAD, SERVICES
from ..parameters import Limit, Since
from ..routing import Route


class UsageAsked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Of which jobs, and what each sum is about."""

    by: UsageBy = UsageBy.REPO
    since: Since | None = None
    """Jobs that began since then."""
    until: Since | None = None
    """Jobs that began before then."""
    limit: Limit = 100


REPORT = Answer(200, "The sums over the jobs that the caller sees.", UsageDocument)


async def report(request: web.Request, query: UsageAsked) -> web.Response:
    """Sum up what ran here."""
    actor, services = request[ACTOR], request.app[SERVICES]
    now = services.clock.now()
    wanted = UsageQuery(
        by=query.by,
        since=moments.since("since", query.since, now=now),
        until=moments.since("until", query.until, now=now),
        tenant=actor.tenant,
        limit=query.limit,
    )
    found = await request.app[OFFLOAD].call_slow(caller(actor), services.store.usage, wanted)
    return REPORT.of(usage.document(found, wanted))


ROUTES = (Route("GET", "/api/v1/usage", report, Action.USAGE_SHOW, (REPORT,)),)
