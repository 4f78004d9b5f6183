"""API tokens: listed and revoked by those who may. New ones are made by command only, where they are shown once."""

from __future__ import annotations

from typing import TypedDict

import msgspec
from aiohttp import web

from runnerctl.core import Action, TokenDocument, issuing, token_document
from runnerctl.core.domain.errors import TokenNotFound

from ..answers import Answer
from ..keys import ACTOR, OFFLOAD, SERVICES
from ..parameters import TokenName
from ..routing import CHANGES, Route


class TokenListQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which tokens."""

    all: bool = False
    """Those that were revoked or have expired, too."""


class TokenList(TypedDict):
    """API tokens."""

    items: list[TokenDocument]


ALL = Answer(200, "The API tokens of the caller's tenant; all for the operator.", TokenList)
REVOKED = Answer(200, "The token does not count any more.", TokenDocument)


async def listing(request: web.Request, query: TokenListQuery) -> web.Response:
    """List the API tokens."""
    services, tenant = request.app[SERVICES], request[ACTOR].tenant
    now = services.clock.now()
    found = services.store.tokens(every=query.all)
    shown = [token for token in found if tenant is None or token.limits.tenant == tenant]
    return ALL.of({"items": [token_document(token, now=now) for token in shown]})


async def revoke(request: web.Request, name: TokenName) -> web.Response:
    """Revoke an API token."""
    services = request.app[SERVICES]
    token = await request.app[OFFLOAD].call(issuing.revoke, services, name, tenant=request[ACTOR].tenant)
    return REVOKED.of(token_document(token, now=services.clock.now()))


ROUTES = (
    Route("GET", "/api/v1/tokens", listing, Action.TOKEN_LIST, (ALL,)),
    Route("DELETE", "/api/v1/tokens/{name}", revoke, Action.TOKEN_REVOKE, (REVOKED,), (TokenNotFound, *CHANGES)),
)
