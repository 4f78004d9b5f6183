"""Which request is being answered: what is written down meanwhile carries its id."""

from __future__ import annotations

from contextvars import ContextVar

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Set by the server for each request, and copied into the threads that work for it."""
