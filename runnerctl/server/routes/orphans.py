"""What could not be cleared yet when its runner went: shown, and forgotten. Of the whole host, so for its operator."""

from __future__ import annotations

from typing import TypedDict

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
from ..parameters import OrphanId
from ..routing import CHANGES, Route


class OrphanList(TypedDict):
    """All that could not be cleared yet."""

    items: list[OrphanDocument]


ALL = Answer(200, "All that could not be cleared yet.", OrphanList)
FORGOTTEN = Answer(200, "Nobody tries to clear it any more.", ForgottenOrphan)


async def listing(request: web.Request) -> web.Response:
    """List what could not be cleared yet."""
    orphans = await request.app[OFFLOAD].call(request.app[SERVICES].store.orphans)
    return ALL.of({"items": [orphan_document(orphan) for orphan in orphans]})


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
    Route("GET", "/api/v1/orphans", listing, Action.ORPHAN_LIST, (ALL,)),
    Route(
        "DELETE",
        "/api/v1/orphans/{id}",
        forget,
        Action.ORPHAN_FORGET,
        (FORGOTTEN,),
        (OrphanNotFound, *CHANGES),
    ),
)
