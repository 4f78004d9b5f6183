"""The API's description, for programs and for people; asked without a token."""

from __future__ import annotations

from typing import Literal, TypedDict

from aiohttp import web

from runnerctl.core import Action

from ..answers import Answer, encoded_answer
from ..keys import OFFLOAD, RULES
from ..routing import Route


class DescriptionInfo(TypedDict):
    """Of which program, and which version of it."""

    title: str
    version: str


class Description(TypedDict):
    """This document: OpenAPI's own specification says what else is in it."""

    openapi: Literal["3.1.0"]
    info: DescriptionInfo


DESCRIPTION = Answer(200, "The description, in OpenAPI 3.1.", Description)
PAGE = Answer(200, "The same as a page.", str, ("Content-Security-Policy",), "text/html")


async def openapi(request: web.Request) -> web.Response:
    """Describe this API."""
    from ..description.document import encoded_description  # who is never asked for it needs none of it

    return encoded_answer(await request.app[OFFLOAD].call(encoded_description, _routes(request)))


async def page(request: web.Request) -> web.Response:
    """Describe this API to people."""
    from ..description.document import encoded_page
    from ..description.page import POLICY

    body = await request.app[OFFLOAD].call(encoded_page, _routes(request))
    headers = {"Content-Security-Policy": POLICY}
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)


def _routes(request: web.Request) -> tuple[Route, ...]:
    return tuple(request.app[RULES].values())


ROUTES = (
    Route("GET", "/api/v1/openapi.json", openapi, Action.DESCRIBE, (DESCRIPTION,)),
    Route("GET", "/docs", page, Action.DESCRIBE, (PAGE,), any_query=True),
)
