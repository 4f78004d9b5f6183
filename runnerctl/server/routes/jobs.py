"""The jobs that ran here; a tenant sees those of its own runners."""

from __future__ import annotations

from aiohttp import web

from runnerctl.core import Action
from runnerctl.core.domain import durations, jobs, names
from runnerctl.core.domain.models import JobQuery
from runnerctl.core.domain.phrases import quoted

from .. import bodies
from ..allowances import caller
from ..answers import json_answer
from ..keys import ACTOR, OFFLOAD, SERVICES
from ..routing import Route

_QUERY = ("runner", "repo", "result", "since", "limit", "cursor")


async def listing(request: web.Request) -> web.Response:
    """The latest first."""
    bodies.only(request, *_QUERY)
    query = JobQuery(
        runner=request.query.get("runner"),
        repo=request.query.get("repo"),
        result=_result(request),
        since=_since(request),
        tenant=request[ACTOR].tenant,
        before=bodies.cursor(request),
        limit=bodies.number(request, "limit", default=100, least=1, most=1000),
    )
    page = await request.app[OFFLOAD].call_slow(caller(request[ACTOR]), request.app[SERVICES].store.jobs_page, query)
    return json_answer({"items": [jobs.listed(each) for each in page.items], "next": bodies.next_cursor(page.next)})


def _result(request: web.Request) -> str | None:
    text = request.query.get("result")
    if text is None or text in jobs.RESULTS:
        return text
    raise names.invalid("result", f"Result {quoted(text)} is not known", hint=f"Use one of {', '.join(jobs.RESULTS)}")


def _since(request: web.Request) -> float | None:
    """How long ago, such as ``7d``."""
    text = request.query.get("since")
    return None if text is None else request.app[SERVICES].clock.now() - durations.seconds(text)


ROUTES = (Route("GET", "/api/v1/jobs", listing, Action.JOB_LIST),)
