"""Answers as bytes: JSON documents and RFC 9457 problems."""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, Literal, NotRequired, TypedDict, TypeVar

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from runnerctl import __version__
from runnerctl.core.domain.errors import Forbidden, RunnerctlError, Unauthorized
from runnerctl.core.domain.phrases import spoken

PROTECTION: CIMultiDict[str] = CIMultiDict(
    {
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "X-Frame-Options": "DENY",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Server": "runnerctl",
        "X-Runnerctl-Version": __version__,
    }
)
"""On every answer, unless it says otherwise: nothing here is for a browser to show, to keep or to guess about."""

WORDS = {
    "drain": "?drain=true",
    "force": "?force=true",
    "expires": "'expires'",
    "max_runners": "'max_runners'",
    "repo": "'repo'",
    "clear_orphan": "`sudo runnerctl orphans clear %s` on the host clears it",
    "list_all": "GET /api/v1/runners?all=true",
    "logs": "GET /api/v1/runners/%s/logs",
    "orphans": "GET /api/v1/orphans",
    "remove": "DELETE /api/v1/runners/%s",
    "remove_force": "DELETE /api/v1/runners/%s?force=true",
    "replace": "'replace': true",
    "status": "GET /api/v1/runners/%s/status",
    "tries_again": "the server tries again by itself",
}
"""How what core's errors name is called here."""

encoded = msgspec.json.Encoder().encode

CHALLENGE = 'Bearer realm="runnerctl"'


def complete(headers: MutableMapping[str, str]) -> None:
    """With what is on every answer. A page says for itself what it may load."""
    for name, value in PROTECTION.items():
        headers.setdefault(name, value)


D = TypeVar("D")


@dataclass(frozen=True)
class Answer(Generic[D]):
    """One way in which a route answers: the API's description, and the type that its documents are checked for."""

    status: int
    means: str
    """In one line."""
    document: type[D] | tuple[type, ...]
    """A ``TypedDict``, or one of several; ``str`` for what is not JSON."""
    headers: tuple[str, ...] = ()
    """Beside those of every answer."""
    media: str = "application/json"

    def of(self, document: D, *, headers: Mapping[str, str] | None = None) -> web.Response:
        return encoded_answer(encoded(document), status=self.status, headers=headers)


def encoded_answer(body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


class FieldProblem(TypedDict):
    """What is wrong with one field of a request."""

    field: str
    message: str


class Problem(TypedDict):
    """Why a request was not carried out (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
    """What is the case."""
    code: str
    """What programs match on."""
    request_id: str
    hint: NotRequired[str]
    """What to do."""
    errors: NotRequired[list[FieldProblem]]
    retry_after: NotRequired[int]
    """Seconds until another try makes sense."""


PROBLEM_MEDIA = "application/problem+json"


def problem(exc: RunnerctlError, *, request_id: str) -> web.Response:
    """The error as ``application/problem+json``; what an internal error says stays in our log."""
    document = problem_document(exc, request_id=request_id)
    headers = {}
    if isinstance(exc, Unauthorized):
        headers["WWW-Authenticate"] = CHALLENGE
    elif "retry_after" in document:
        headers["Retry-After"] = str(document["retry_after"])
    return web.Response(body=encoded(document), status=exc.http_status, headers=headers, content_type=PROBLEM_MEDIA)


def problem_document(exc: RunnerctlError, *, request_id: str) -> Problem:
    internal = exc.code == "internal_error"
    document: Problem = {
        "type": "about:blank",
        "title": HTTPStatus(exc.http_status).phrase,
        "status": exc.http_status,
        "detail": "Internal error; the server's log has the details" if internal else spoken(exc.message, WORDS),
        "code": exc.code,
        "request_id": request_id,
    }
    if exc.hint and not internal:
        document["hint"] = spoken(exc.hint, WORDS)
    if exc.errors:
        document["errors"] = [{"field": each.field, "message": spoken(each.message, WORDS)} for each in exc.errors]
    if may_be_tried_again(type(exc)):
        document["retry_after"] = math.ceil(exc.retry_after or 1)
    return document


def may_be_tried_again(kind: type[RunnerctlError]) -> bool:
    """Whether it says after how many seconds."""
    return kind.retryable and not issubclass(kind, Forbidden | Unauthorized)
