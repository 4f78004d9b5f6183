"""What happens to the runners: a page of it, or a stream. A tenant is told of its own runners."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

import msgspec
from aiohttp import web

from runnerctl.core import Action, Store
from runnerctl.core.domain import names
from runnerctl.core.domain.event_documents import EventDocument, event_document
from runnerctl.core.domain.event_queries import EventQuery
from runnerctl.core.domain.models import EventType
from runnerctl.core.domain.phrases import quoted

from ..allowances import caller
from ..answers import Answer
from ..keys import ACTOR, OFFLOAD, OPEN_STREAMS, SERVICES
from ..parameters import Limit, RunnerName, whole
from ..routing import Route
from ..streams.event_hub import View
from ..streams.event_stream import EventStream
from ..streams.formats import Format

_LAST_ID = "Last-Event-ID"
_MOST = 999_999_999

_TYPE = "|".join(EventType)
EventTypes = Annotated[
    str,
    whole(rf"(?:{_TYPE})(?:,(?:{_TYPE}))*"),
    msgspec.Meta(description="One type, or several with commas between.", examples=["job"]),
]
EventId = Annotated[
    str,
    whole("", r"\d{1,9}"),
    msgspec.Meta(description="The last that a client heard of before it was cut off; counts more than `after`."),
]


class EventListQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which events, and whether the answer goes on."""

    after: Annotated[int, msgspec.Meta(ge=0, le=_MOST)] | None = None
    """Only those beyond this id. Without it a page begins with the oldest, a stream with what happens from now on."""
    runner: RunnerName | None = None
    type: EventTypes | None = None
    follow: bool | None = None
    """Also what happens from now on. Server-Sent Events do that unless it is false."""
    limit: Limit | None = None
    """Of a page, 100 without it; a stream has none."""


class EventList(TypedDict):
    """Events, the oldest first."""

    items: list[EventDocument]
    next: int
    """What to ask for as `after` next, also when nothing came."""
    resync: Literal["pruned", "unknown_id"] | None
    """Why these are not all that happened since `after`: read the lists again."""


PAGE = Answer(200, "Events that the caller sees, the oldest first.", EventList)
SSE = Answer(200, "The same as Server-Sent Events, with ids.", str, media=Format.SSE.value)
NDJSON = Answer(200, "The same as a line of JSON each.", str, media=Format.NDJSON.value)


async def listing(request: web.Request, query: EventListQuery) -> web.StreamResponse:
    """List what happened to the runners, or follow it.

    As JSON, as Server-Sent Events or as lines of JSON: as ``Accept`` wants it.
    """
    format_ = _format(request, query)
    if format_ is None:
        return await _page(request, query)
    if query.limit is not None:
        raise names.invalid("limit", "A stream has no limit", hint="Ask for application/json to get pages")
    follow = format_ is Format.SSE if query.follow is None else query.follow
    after = _after(request, query)
    view = View(format_, request[ACTOR].tenant, _runner(query), _types(query))
    with request.app[OPEN_STREAMS].opened(request, Action.EVENT_LIST) as stream:
        return await EventStream(stream, view, after=0 if after is None and not follow else after, follow=follow).send()


async def _page(request: web.Request, query: EventListQuery) -> web.Response:
    wanted = EventQuery(
        after=_after(request, query) or 0,
        runner=_runner(query),
        types=_types(query),
        tenant=request[ACTOR].tenant,
        limit=query.limit or 100,
    )
    store = request.app[SERVICES].store
    return PAGE.of(await request.app[OFFLOAD].call_slow(caller(request[ACTOR]), _list, store, wanted))


def _list(store: Store, wanted: EventQuery) -> EventList:
    """In a thread: a thousand documents take milliseconds."""
    page = store.events_page(wanted)
    items = [event_document(told, for_tenant=wanted.tenant) for told in page.items]
    return {"items": items, "next": page.next, "resync": page.resync and page.resync.reason}


def _format(request: web.Request, query: EventListQuery) -> Format | None:
    """As ``Accept`` says. None: one document. Who follows without a word of how gets lines."""
    accepted = {each.partition(";")[0].strip().lower() for each in request.headers.get("Accept", "").split(",")}
    for format_ in Format:
        if format_.value in accepted:
            return format_
    return Format.NDJSON if query.follow else None


def _after(request: web.Request, query: EventListQuery) -> int | None:
    """What a client that was cut off has heard last is newer than what its address says."""
    text = request.headers.get(_LAST_ID)
    if not text:
        return query.after
    if text.isascii() and text.isdigit() and len(text) <= len(str(_MOST)):
        return int(text)
    raise names.invalid(_LAST_ID, f"{_LAST_ID} {quoted(text)} is not the id of an event", hint="Send the last one's")


def _runner(query: EventListQuery) -> str | None:
    return None if query.runner is None else names.runner_name(query.runner).lower()


def _types(query: EventListQuery) -> tuple[EventType, ...]:
    if query.type is None:
        return ()
    known = {str(each): each for each in EventType}
    told = query.type.split(",")
    for each in told:
        if each not in known:
            hint = f"Use {', '.join(known)}, or several with commas between"
            raise names.invalid("type", f"Event type {quoted(each)} is not known", hint=hint)
    return tuple(sorted({known[each] for each in told}))


ROUTES = (
    Route("GET", "/api/v1/events", listing, Action.EVENT_LIST, (PAGE, SSE, NDJSON), headers=((_LAST_ID, EventId),)),
)
