"""The jobs that ran here; a tenant sees those of its own runners."""

from __future__ import annotations

from typing import TypedDict

import msgspec
from aiohttp import web

from runnerctl.core import Action
from runnerctl.core.domain import durations, jobs
from runnerctl.core.domain.document_types import ListedJob, Result
from runnerctl.core.domain.models import JobQuery

from ..allowances import caller
from ..answers import Answer
from ..keys import ACTOR, OFFLOAD, SERVICES
from ..pages import cursor, next_cursor
from ..parameters import Cursor, Duration, Limit, Repository, RunnerFilter
from ..routing import Route


class JobListQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which jobs."""

    runner: RunnerFilter | None = None
    repo: Repository | None = None
    result: Result | None = None
    since: Duration | None = None
    """How long ago they began at most."""
    limit: Limit = 100
    cursor: Cursor | None = None


class JobPage(TypedDict):
    """Jobs, the latest first."""

    items: list[ListedJob]
    next: str | None
    """The `cursor` of the next page; null on the last."""


PAGE = Answer(200, "The jobs that the caller sees, the latest first.", JobPage)


async def listing(request: web.Request, query: JobListQuery) -> web.Response:
    """List the jobs that ran here."""
    actor, services = request[ACTOR], request.app[SERVICES]
    wanted = JobQuery(
        runner=query.runner,
        repo=query.repo,
        result=query.result,
        since=None if query.since is None else services.clock.now() - durations.seconds(query.since),
        tenant=actor.tenant,
        before=cursor(query.cursor),
        limit=query.limit,
    )
    page = await request.app[OFFLOAD].call_slow(caller(actor), services.store.jobs_page, wanted)
    return PAGE.of({"items": [jobs.listed(each) for each in page.items], "next": next_cursor(page.next)})


ROUTES = (Route("GET", "/api/v1/jobs", listing, Action.JOB_LIST, (PAGE,)),)
