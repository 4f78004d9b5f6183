"""What the real runner would not send: told, kept, and in strict mode refused.

Strict is for our tests: whatever the records of the real runner do not show is a fault of the caller. Otherwise what
is unknown is let pass or answered 404, and logged, so that a newer runner can be tried.
"""

from __future__ import annotations

import logging

from aiohttp import web

from ..web_keys import GITHUB, Handler

log = logging.getLogger(__name__)


class Malformed(Exception):
    """A request that the real runner does not make."""

    def __init__(self, reason: str, *, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        """Of the answer when not strict."""


@web.middleware
async def malformed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keeps the violation and refuses the request."""
    try:
        return await handler(request)
    except Malformed as exc:
        return refuse(request, exc)


def refuse(request: web.Request, problem: Malformed) -> web.Response:
    github = request.app[GITHUB]
    note_violation(request, problem.reason)
    status = 400 if github.strict else problem.status
    return web.json_response({"message": problem.reason, "statusCode": status}, status=status)


def note_violation(request: web.Request, reason: str) -> None:
    """Keeps it in strict mode, and logs it in either."""
    github = request.app[GITHUB]
    line = f"{request.method} {request.path}: {reason}"
    log.warning("%s", line)
    if github.strict:
        github.violations.append(line)


async def unknown(request: web.Request) -> web.StreamResponse:
    """A call that no record shows."""
    if request.path.startswith("/sandbox/control/"):
        raise web.HTTPNotFound
    raise Malformed("Unknown call: actions/runner 2.336.0 does not make it", status=404)
