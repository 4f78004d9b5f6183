"""What could not be cleared yet when its runner went: shown, and forgotten. Of the whole host, so for its operator."""

from __future__ import annotations

from typing import TypedDict

import msgspec
from aiohttp import web

from runnerctl import core
from runnerctl.core import Action
from runnerctl.core.domain.document_types import ForgottenOrphan, OrphanDocument
from runnerctl.core.domain.documents import orphan_document
from runnerctl.core.domain.errors import OrphanNotFound
from runnerctl.core.domain.names import invalid
from runnerctl.core.domain.phrases import quoted

from ..answers import Answer
from ..keys import OBJECT, OFFLOAD, SERVICES
from ..pages import after, following
from ..parameters import Cursor, Limit, OrphanId
from ..routing import CHANGES, Route


class OrphanListQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which of them."""

    limit: Limit = 100
    cursor: Cursor | None = None


class OrphanPage(TypedDict):
    """What could not be cleared yet, the oldest first."""

    items: list[OrphanDocument]
    next: str | None
    """The `cursor` of the next page; null on the last."""


PAGE = Answer(200, "What could not be cleared yet, the oldest first.", OrphanPage)
FORGOTTEN = Answer(200, "Nobody tries to clear it any more.", ForgottenOrphan)


async def listing(request: web.Request, query: OrphanListQuery) -> web.Response:
    """List what could not be cleared yet."""
    store, place = request.app[SERVICES].store, after(request)
    page = await request.app[OFFLOAD].call(store.orphans_page, after=place, limit=query.limit)
    items = [orphan_document(orphan) for orphan in page.items]
    return PAGE.of({"items": items, "next": following(request, page.next)})


async def forget(request: web.Request, id: OrphanId) -> web.Response:
    """Forget what could not be cleared.

    What it is about stays as it is.
    """
    services, offload = request.app[SERVICES], request.app[OFFLOAD]
    request[OBJECT] = id
    found = await offload.call(core.find_orphan, services, _number(id))
    request[OBJECT] = found.what
    forgotten = await offload.call(core.forget_orphan, services, found.id)
    return FORGOTTEN.of({**orphan_document(forgotten), "status": "forgotten"})


def _number(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    raise invalid("id", f"{quoted(text)} is not the number of an orphan", hint="{orphans} lists them")


ROUTES = (
    Route("GET", "/api/v1/orphans", listing, Action.ORPHAN_LIST, (PAGE,)),
    Route(
        "DELETE",
        "/api/v1/orphans/{id}",
        forget,
        Action.ORPHAN_FORGET,
        (FORGOTTEN,),
        (OrphanNotFound, *CHANGES),
    ),
)
