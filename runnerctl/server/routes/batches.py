"""Many runners by one request: each is admitted by itself, and told by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TypedDict

from aiohttp import web

from runnerctl import core
from runnerctl.core import Action, audit
from runnerctl.core.domain import documents
from runnerctl.core.domain.document_types import StartedRunner
from runnerctl.core.domain.errors import RunnerctlError
from runnerctl.core.domain.models import Runner, RunnerSpec

from .. import auditing
from ..allowances import caller
from ..answers import Answer, Problem, problem_document
from ..bodies import BatchBody
from ..creating import check_may_create, creation
from ..idempotency import once
from ..keys import ACTOR, ID, OBJECT, OFFLOAD, ONE_BY_ONE, REQUESTS, SERVICES
from ..routing import CHANGES, IDEMPOTENCY, IDEMPOTENCY_KEY, Route

log = logging.getLogger("runnerctl.server")

Made = Runner | RunnerctlError


class BatchItem(TypedDict):
    """What came of one runner."""

    name: str
    status: int
    """As of a create of it alone: 201, or why not."""
    runner: StartedRunner | None
    """Null where it was not made."""
    problem: Problem | None
    """Null where it was made."""


class BatchDocument(TypedDict):
    """What came of each runner."""

    created: int
    failed: int
    items: list[BatchItem]


BATCH = Answer(207, "Each runner was made, or not: its item says which.", BatchDocument, ("Idempotency-Replayed",))


async def create(request: web.Request, body: BatchBody) -> web.Response:
    """Make many runners that are alike.

    Each is admitted by itself: where quotas or the budget have no room for all, some are made.
    """
    services, actor = request.app[SERVICES], request[ACTOR]
    request[OBJECT] = f"{body.name_prefix}*"
    check_may_create(request, body)

    async def make(ids: Sequence[str]) -> web.Response:
        specs = body.specs(ids, services.settings, tenant=actor.tenant)
        with request.app[REQUESTS].held(actor, len(ids) - 1):  # the first is the request's own
            made = await asyncio.gather(*(_made(request, *each, body) for each in zip(specs, ids, strict=True)))
        request[ONE_BY_ONE] = True
        for spec, one in zip(specs, made, strict=True):
            _tell(request, spec.name, one)
        return BATCH.of(await request.app[OFFLOAD].call_slow(caller(actor), _document, request, specs, made))

    return await once(request, body, body.checked_count(), make)


async def _made(request: web.Request, spec: RunnerSpec, runner_id: str, body: BatchBody) -> Made:
    """What one met is no affair of the others."""
    try:
        return await request.app[OFFLOAD].run(creation(request, spec, body, runner_id=runner_id))
    except RunnerctlError as exc:
        return exc
    except Exception:
        log.exception("one of many runners could not be made", extra={"runner": spec.name, "request_id": request[ID]})
        return RunnerctlError("")


def _tell(request: web.Request, name: str, made: Made) -> None:
    result = made.code if isinstance(made, RunnerctlError) else audit.OK
    if result is audit.OK or auditing.is_told(request):
        auditing.tell(request, Action.RUNNER_CREATE, name, result)


def _document(request: web.Request, specs: Sequence[RunnerSpec], made: Sequence[Made]) -> BatchDocument:
    items = [_item(request, spec.name, one) for spec, one in zip(specs, made, strict=True)]
    created = sum(item["runner"] is not None for item in items)
    return {"created": created, "failed": len(items) - created, "items": items}


def _item(request: web.Request, name: str, made: Made) -> BatchItem:
    if isinstance(made, RunnerctlError):
        told = problem_document(made, request_id=request[ID])
        return {"name": name, "status": told["status"], "runner": None, "problem": told}
    document = documents.started_document(core.observe(request.app[SERVICES], made))
    return {"name": name, "status": 201, "runner": document, "problem": None}


_ENDS = (*CHANGES, *IDEMPOTENCY)
ROUTES = (
    Route("POST", "/api/v1/runners:batch", create, Action.RUNNER_CREATE_MANY, (BATCH,), _ENDS, (IDEMPOTENCY_KEY,)),
)
