"""This host for its operator, and what its runners take of it."""

from __future__ import annotations

from typing import TypedDict

from aiohttp import web

from runnerctl import core
from runnerctl.core import Action
from runnerctl.core.domain.host_document import HostDocument, host_document
from runnerctl.core.domain.usage_document import RunnerUsageDocument, usage_document

from ..allowances import caller
from ..answers import Answer
from ..keys import ACTOR, OFFLOAD, SERVICES, USAGES
from ..routing import Route


class UsageList(TypedDict):
    """What runners take of the host; those of which nothing is counted are left out."""

    items: list[RunnerUsageDocument]


HOST = Answer(200, "The host as it is now.", HostDocument)
USAGE = Answer(200, "What the caller's runners take.", UsageList)


async def show(request: web.Request) -> web.Response:
    """Show this host: processors, memory, disks, GitHub's rate limit, the versions that run here and when they end."""
    facts = await request.app[OFFLOAD].call_slow(caller(request[ACTOR]), core.host_facts, request.app[SERVICES])
    return HOST.of(host_document(facts))


async def usages(request: web.Request) -> web.Response:
    """Show what the caller's runners take: processor time since their start, and memory."""
    found, tenant = await request.app[USAGES].current(), request[ACTOR].tenant
    shown = [each for each in found if tenant is None or each.tenant == tenant]
    return USAGE.of({"items": [usage_document(each) for each in shown]})


ROUTES = (
    Route("GET", "/api/v1/host", show, Action.HOST_SHOW, (HOST,)),
    Route("GET", "/api/v1/runners:usage", usages, Action.RUNNER_USAGE, (USAGE,)),
)
