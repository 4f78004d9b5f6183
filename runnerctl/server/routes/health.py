"""Whether the server lives and is ready; asked without a token."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

import msgspec
from aiohttp import web

from runnerctl.core import Action

from ..answers import Answer
from ..keys import READINESS
from ..readiness import Check, NotReady, Ready
from ..routing import Route


class Alive(TypedDict):
    """The server answers."""

    status: Literal["ok"]


class Checked(TypedDict, total=False):
    checks: list[Check]


ALIVE = Answer(200, "The server answers.", Alive)
READY = Answer(200, "Requests should come here.", Ready)
NOT_READY = Answer(503, "Requests should not come here now, and why.", NotReady)


async def health(_: web.Request) -> web.Response:
    """Whether the server answers."""
    return ALIVE.of({"status": "ok"})


class ReadyQuery(msgspec.Struct):
    verbose: Annotated[bool, msgspec.Meta(description="Also all that was looked at.")] = False


async def ready(request: web.Request, query: ReadyQuery) -> web.Response:
    """Whether requests should come here now.

    Not while the server starts or stops, when its store cannot be read, and when a thread that sees to runners hangs.
    """
    readiness = request.app[READINESS]
    refusal = readiness.refusal()
    looked_at: Checked = {"checks": readiness.checks()} if query.verbose else {}
    if refusal is not None:
        return NOT_READY.of({**refusal, **looked_at})
    return READY.of({**readiness.document(), **looked_at})


ROUTES = (
    Route("GET", "/health", health, Action.HEALTH, (ALIVE,), any_query=True),
    Route("GET", "/livez", health, Action.HEALTH, (ALIVE,), any_query=True),
    Route("GET", "/readyz", ready, Action.HEALTH, (READY, NOT_READY), any_query=True),
)
