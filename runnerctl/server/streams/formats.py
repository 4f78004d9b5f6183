"""Events as bytes: Server-Sent Events, or a line of JSON each; and what a stream says of itself.

An event of the runners has no name of its own in Server-Sent Events, so that whoever listens for messages hears all.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from runnerctl.core.domain.event_documents import event_document
from runnerctl.core.domain.event_queries import Resync, RunnerEvent

from ..answers import encoded
from .open_streams import Ending

RETRY_SECONDS = 2
"""After which a browser connects again."""
_ENDS = {
    Ending.STOPPING: "The server stops: connect again, from the last id on",
    Ending.UNAUTHORIZED: "The token was revoked, has expired or may do something else now",
}


class Format(StrEnum):
    SSE = "text/event-stream"
    NDJSON = "application/x-ndjson"

    def event(self, told: RunnerEvent, *, for_tenant: str | None) -> bytes:
        document = encoded(event_document(told, for_tenant=for_tenant))
        if self is Format.NDJSON:
            return document + b"\n"
        return b"id: %d\ndata: %b\n\n" % (told.event.seq, document)

    def word(self, kind: str, *, id_: int | None = None, **more: Any) -> bytes:
        """Of the stream itself; with ``id_`` it goes on from there."""
        document = encoded({"type": kind, **({} if id_ is None else {"id": id_}), **more})
        if self is Format.NDJSON:
            return document + b"\n"
        where = b"" if id_ is None else b"id: %d\n" % id_
        return b"%bevent: %b\ndata: %b\n\n" % (where, kind.encode(), document)

    def position(self, id_: int) -> bytes:
        """Where it begins: who is cut off before the first event goes on from there."""
        retry = b"retry: %d\n" % (RETRY_SECONDS * 1000) if self is Format.SSE else b""
        return retry + self.word("position", id_=id_)

    def resync(self, why: Resync, id_: int) -> bytes:
        return self.word("resync", id_=id_, reason=why.reason, text=why.text)

    def end(self, ending: Ending) -> bytes:
        if ending is Ending.TOO_SLOW:
            return self.word(
                "dropped", text="Events came faster than they were taken: connect again, from the last id on"
            )
        return self.word("end", reason=ending.value, text=_ENDS[ending])

    @property
    def heartbeat(self) -> bytes:
        """Says nothing: a comment, or an empty line."""
        return b"\n" if self is Format.NDJSON else b":\n\n"
