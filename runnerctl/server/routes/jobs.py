"""The jobs that ran here; a tenant sees those of its own runners."""

from __future__ import annotations

from typing import TypedDict

import msgspec
from aiohttp import web

from runnerctl.core import Action
from runnerctl.core.domain import jobs, moments
from runnerctl.core.domain.document_types import ListedJob, Result
from runnerctl.core.domain.models import JobQuery

from ..allowances import caller
from ..answers import Answer
from ..entity_tags import NOT_MODIFIED, tagged
from ..keys import ACTOR, OFFLOAD, SERVICES
from ..pages import after, following
from ..parameters import Cursor, Limit, Repository, RunnerFilter, Since
from ..routing import IF_NONE_MATCH, Route


class JobListQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which jobs."""

    runner: RunnerFilter | None = None
    repo: Repository | None = None
    result: Result | None = None
    since: Since | None = None
    """Those that began since then."""
    limit: Limit = 100
    cursor: Cursor | None = None


class JobPage(TypedDict):
    """Jobs, the latest first."""

    items: list[ListedJob]
    next: str | None
    """The `cursor` of the next page; null on the last."""


PAGE = Answer(200, "The jobs that the caller sees, the latest first.", JobPage, ("ETag",))


async def listing(request: web.Request, query: JobListQuery) -> web.Response:
    """List the jobs that ran here."""
    actor, services = request[ACTOR], request.app[SERVICES]
    wanted = JobQuery(
        runner=query.runner,
        repo=query.repo,
        result=query.result,
        since=moments.since("since", query.since, now=services.clock.now()),
        tenant=actor.tenant,
        after=after(request),
        limit=query.limit,
    )
    page = await request.app[OFFLOAD].call_slow(caller(actor), services.store.jobs_page, wanted)
    items = [jobs.listed(each) for each in page.items]
    document: JobPage = {"items": items, "next": following(request, page.next)}
    return tagged(request, PAGE, document)


ROUTES = (Route("GET", "/api/v1/jobs", listing, Action.JOB_LIST, (PAGE, NOT_MODIFIED), headers=(IF_NONE_MATCH,)),)
