"""The dashboard: one page, and the files it is made of. They tell nothing of this host, and need no token."""

from __future__ import annotations

from aiohttp import web

from runnerctl.core import Action
from runnerctl.core.domain.errors import Forbidden, NotFound
from runnerctl.core.domain.phrases import quoted

from .. import static_files
from ..answers import Answer
from ..auth import browsers
from ..keys import SERVICES
from ..parameters import FileName
from ..routing import Route

PAGE = Answer(200, "The page.", str, ("ETag",), "text/html")
SCRIPT = Answer(200, "A script of it.", str, ("ETag",), "text/javascript")
STYLE = Answer(200, "A style of it.", str, ("ETag",), "text/css")
IMAGE = Answer(200, "An image of it.", str, ("ETag",), "image/svg+xml")
PARTS = (PAGE, SCRIPT, STYLE, IMAGE)
SAME = Answer(304, "The browser has it already.", str, ("ETag",), "text/plain")


async def page(request: web.Request) -> web.Response:
    """The dashboard."""
    return _answer(request, static_files.PAGE)


async def part(request: web.Request, name: FileName) -> web.Response:
    """What the dashboard is made of."""
    return _answer(request, name)


def _answer(request: web.Request, name: str) -> web.Response:
    browsers.check_host(request, request.app[SERVICES].settings.server.hosts)
    found = static_files.files().get(name)
    if found is None:
        raise NotFound(f"There is nothing at {quoted(request.path)}")
    if found.etag in (request.if_none_match or ()):
        answer = web.Response(status=304, headers=static_files.HEADERS)
    else:
        answer = web.Response(body=found.content, headers={**static_files.HEADERS, "Content-Type": found.kind})
    answer.etag = found.etag
    return answer


ROUTES = (
    Route("GET", "/", page, Action.DASHBOARD, (PAGE, SAME), (Forbidden,), any_query=True),
    Route(
        "GET",
        "/static/{name}",
        part,
        Action.DASHBOARD,
        (*PARTS, SAME),
        (Forbidden, NotFound),
        any_query=True,
    ),
)
