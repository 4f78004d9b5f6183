"""Creates that are made once, however often they are sent: those with an ``Idempotency-Key``.

Which runners a request makes is written down before any of them is made. So whoever sends it again, even to the next
server after a crash, gets these and no others: the first answer, or, if none was given, what came of them.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from runnerctl.core import Services
from runnerctl.core.domain.errors import IdempotencyInProgress, RunnerctlError
from runnerctl.core.domain.idempotency import Asked, KeptAnswer
from runnerctl.core.domain.names import invalid
from runnerctl.core.domain.phrases import quoted

from .allowances import caller
from .answers import encoded, problem
from .keys import ACTOR, ID, OFFLOAD, SERVICES, UNCHANGED, UNDER_WAY

log = logging.getLogger("runnerctl.server")

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_LONGEST = 255
_RETRY_SECONDS = 1.0
Make = Callable[[Sequence[str]], Awaitable[web.Response]]


async def once(request: web.Request, body: msgspec.Struct, count: int, make: Make) -> web.Response:
    """What ``make`` answers, which makes the ``count`` runners of the ids that it is given; or what it did before.

    Raises ``IdempotencyMismatch`` and ``IdempotencyInProgress``.
    """
    ids = [request.app[SERVICES].store.new_id() for _ in range(count)]
    key = _key(request)
    if key is None:
        return await make(ids)
    asked, under_way = _asked(request, key, body), request.app[UNDER_WAY]
    if asked[:2] in under_way:
        message = "The first request with this Idempotency-Key is not answered yet"
        raise IdempotencyInProgress(message, retry_after=_RETRY_SECONDS)
    under_way.add(asked[:2])
    try:
        return await _claimed(request, asked, ids, make)
    finally:
        under_way.discard(asked[:2])


async def _claimed(request: web.Request, asked: Asked, ids: Sequence[str], make: Make) -> web.Response:
    """One that is cut short keeps what it was to make: the next goes on with it."""
    offload, services = request.app[OFFLOAD], request.app[SERVICES]
    claimed = await offload.call(services.store.claim, asked, runner_ids=ids)
    if isinstance(claimed, KeptAnswer):
        request[UNCHANGED] = True
        return await offload.call(_again, services, claimed)
    try:
        answer = await make(claimed)
    except RunnerctlError as exc:
        await offload.call(_settle, services, asked, claimed, exc, request[ID])
        raise
    try:
        await offload.call(_keep, services, asked, claimed, answer)
    except RunnerctlError as exc:  # whoever asks again is told what came of the runners that there are
        log.warning("an answer could not be kept: %s", exc.message, extra={"request_id": request[ID]})
    return answer


def _key(request: web.Request) -> str | None:
    """With or without quotation marks. Raises ``InvalidRequest``."""
    text = request.headers.get(HEADER)
    if text is None:
        return None
    key = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if 0 < len(key) <= _LONGEST and key.isascii() and key.isprintable():
        return key
    raise invalid(
        HEADER, f"{HEADER} {quoted(text)} is not allowed", hint=f"Use 1 to {_LONGEST} printable ASCII characters"
    )


def _asked(request: web.Request, key: str, body: msgspec.Struct) -> Asked:
    """The body is what it means: blanks, and the order of its fields, make no other of it."""
    whole = encoded([request.method, request.path, body])
    who = caller(request[ACTOR])
    return Asked("operator" if who is None else f"tenant {who}", _digest(key.encode()), _digest(whole))


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _settle(services: Services, asked: Asked, ids: Sequence[str], exc: RunnerctlError, request_id: str) -> None:
    """An error is the answer once a runner was admitted and has ended. One that asks for another try is not kept: that
    goes on with the runner that there is, or is the first.
    """
    made = [runner for each in ids if (runner := services.store.get(each)) is not None]
    if any(runner.live for runner in made):
        return
    if made and not exc.retryable:
        _keep(services, asked, ids, problem(exc, request_id=request_id))
    else:
        services.store.forget_request(asked)


def _keep(services: Services, asked: Asked, ids: Sequence[str], answer: web.Response) -> None:
    """Unless nothing was made: then the next try is the first."""
    if not any(services.store.get(each) is not None for each in ids):
        services.store.forget_request(asked)
        return
    assert isinstance(answer.body, bytes)  # noqa: S101 - a document
    document = msgspec.json.decode(answer.body)
    for runner in _runners(document):
        runner["env"] = {}
    services.store.keep_answer(asked, KeptAnswer(answer.status, answer.headers.get("Location"), encoded(document)))


def _again(services: Services, kept: KeptAnswer) -> web.Response:
    """As it was, variables of jobs included: those are in the runners' rows."""
    document = msgspec.json.decode(kept.body)
    for runner in _runners(document):
        row = services.store.get(runner["id"])
        runner["env"] = {} if row is None else dict(row.env)
    headers = {REPLAYED: "true", **({} if kept.location is None else {"Location": kept.location})}
    media = "application/json" if kept.status < 400 else "application/problem+json"
    return web.Response(body=encoded(document), status=kept.status, headers=headers, content_type=media)


def _runners(document: Any) -> list[dict[str, Any]]:
    """Those that an answer tells of."""
    found = [item["runner"] for item in document["items"]] if "items" in document else [document]
    return [each for each in found if each and "env" in each]
