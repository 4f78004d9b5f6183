"""The runners: made, shown, listed, started, stopped, restarted, removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from aiohttp import web

from runnerctl import core
from runnerctl.core import Action, TokenLimits, policy
from runnerctl.core.domain import documents, names
from runnerctl.core.domain.models import Job, Runner, RunnerPage, RunnerQuery
from runnerctl.core.domain.phrases import quoted, spoken
from runnerctl.core.domain.states import LIVE, RunnerState

from .. import bodies
from ..allowances import caller
from ..answers import WORDS, encoded_answer, json_answer
from ..keys import ACTION, ACTOR, OBJECT, OFFLOAD, SERVICES, STATUS_CACHE, UNCHANGED
from ..routing import Route

T = TypeVar("T")

_INLINE_ROWS = 200
"""Longer lists are read in a thread: the loop must not stand still for them."""
_BEGUN_SECONDS = 0.25
_INLINE_OBSERVED = 20
"""The processes of more runners are looked at in a thread, too: that takes a tenth of a millisecond each."""


async def create(request: web.Request) -> web.Response:
    bodies.only(request)
    services, offload = request.app[SERVICES], request.app[OFFLOAD]
    body = await bodies.read(request, bodies.CreateBody)
    request[OBJECT] = body.name
    if body.replace:
        request[ACTION] = Action.RUNNER_REPLACE
    actor = request[ACTOR]
    policy.check(actor, Action.RUNNER_REPLACE if body.replace else Action.RUNNER_CREATE)
    if body.env:
        policy.check(actor, Action.RUNNER_ENV)
    spec = body.spec(services.settings, tenant=actor.tenant)
    operation = core.create_runner(
        services,
        spec,
        wait=core.Wait(body.wait),
        timeout=body.patience(),
        limits=actor.limits,
        replace_other=body.replace,
        by=_by(request),
    )
    runner = await offload.run(operation)
    document = {**documents.full_document(core.observe(services, runner)), "status": "started"}
    return json_answer(document, status=201, headers={"Location": f"/api/v1/runners/{runner.name}"})


async def remove(request: web.Request) -> web.Response:
    bodies.only(request, "force", "drain")
    services, offload = request.app[SERVICES], request.app[OFFLOAD]
    body = await bodies.read_optional(request, bodies.RemoveBody)
    drain = bodies.flag(request, "drain")
    operation = core.remove_runner(
        services,
        _name(request),
        scope=body.scope(),
        force=bodies.flag(request, "force"),
        drain=drain,
        limits=request[ACTOR].limits,
        by=_by(request),
    )
    # A drain lasts as long as a job: the answer is given when it has begun, and nobody waits for the rest.
    if drain:
        removal = await offload.run_for(operation, _BEGUN_SECONDS)
    else:
        removal = await offload.run(operation)
    _note(request, operation)
    if removal is None:
        return json_answer({"status": "draining", "name": _name(request)}, status=202)
    return _removal(removal)


def _note(request: web.Request, operation: core.Operation[T]) -> None:
    """For the audit log."""
    if operation.already:
        request[UNCHANGED] = True


def _removal(removal: core.Removal) -> web.Response:
    word = "draining" if removal.draining else "removed"
    document = {"status": word, "name": removal.runner.name, **_warning(removal.warning)}
    return json_answer(document, status=202 if removal.draining else 200)


def _warning(text: str | None) -> dict[str, str]:
    return {} if text is None else {"warning": spoken(text, WORDS)}


async def status(request: web.Request) -> web.Response:
    """A query at most and a look at two processes: quick enough for the loop itself."""
    return encoded_answer(request.app[STATUS_CACHE].status(_name(request), request[ACTOR].limits))


async def get(request: web.Request) -> web.Response:
    bodies.only(request)
    return json_answer(
        await request.app[OFFLOAD].call(_full, request.app[SERVICES], _name(request), request[ACTOR].limits)
    )


def _full(services: core.Services, name: str, limits: TokenLimits | None) -> dict[str, object]:
    seen = core.get_runner(services, name, limits=limits)
    assert seen.runner is not None  # noqa: S101 - get_runner raised otherwise
    return documents.full_document(seen, services.store.history(seen.runner.id))


async def listing(request: web.Request) -> web.Response:
    began = time.perf_counter()
    bodies.only(request, "state", "repo", "label", "all", "limit", "cursor")
    services = request.app[SERVICES]
    limit = bodies.number(request, "limit", default=100, least=1, most=1000)
    query = RunnerQuery(
        every=bodies.flag(request, "all"),
        state=_state(request),
        scope=request.query.get("repo"),
        label=request.query.get("label"),
        tenant=request[ACTOR].tenant,
        after=bodies.cursor(request) or 0,
        limit=limit,
    )
    if limit <= _INLINE_ROWS and not _reaches_back(query):
        page = services.store.page(query)
    else:
        page = await _offloaded(request, lambda: services.store.page(query))
    if len(page.items) > _INLINE_ROWS or sum(listed.state in LIVE for listed in page.items) > _INLINE_OBSERVED:
        answer = await _offloaded(request, lambda: _page(services, page))
    else:
        answer = _page(services, page)
    answer.headers["Server-Timing"] = f"list;dur={1000 * (time.perf_counter() - began):.2f}"
    return answer


def _reaches_back(query: RunnerQuery) -> bool:
    """Whether it is about those whose life has ended, too: they may be a hundred thousand."""
    return query.every if query.state is None else query.state not in LIVE


async def _offloaded(request: web.Request, work: Callable[[], T]) -> T:
    return await request.app[OFFLOAD].call_slow(caller(request[ACTOR]), work)


def _page(services: core.Services, page: RunnerPage[Runner]) -> web.Response:
    last_jobs = services.store.last_jobs([listed.id for listed in page.items])
    return json_answer(
        {"items": [_item(services, listed, last_jobs) for listed in page.items], "next": bodies.next_cursor(page.next)}
    )


def _item(services: core.Services, runner: Runner, last_jobs: Mapping[str, Job]) -> dict[str, object]:
    status = core.observe(services, runner, last_jobs=last_jobs) if runner.live else None
    return documents.listed_document(runner, status, last_jobs.get(runner.id))


def _state(request: web.Request) -> RunnerState | None:
    text = request.query.get("state")
    try:
        return None if text is None else RunnerState(text)
    except ValueError as exc:
        raise names.invalid(
            "state", f"State {quoted(text)} is not known", hint=f"Use one of {', '.join(RunnerState)}"
        ) from exc


async def start(request: web.Request) -> web.Response:
    bodies.only(request, "register")
    services, register = request.app[SERVICES], bodies.flag(request, "register")
    operation = core.start_runner(
        services, _name(request), register=register, limits=request[ACTOR].limits, by=_by(request)
    )
    runner = await request.app[OFFLOAD].run(operation)
    _note(request, operation)
    return json_answer({**documents.full_document(core.observe(services, runner)), "status": "started"})


async def stop(request: web.Request) -> web.Response:
    bodies.only(request, "now")
    now, limits = bodies.flag(request, "now"), request[ACTOR].limits
    operation = core.stop_runner(request.app[SERVICES], _name(request), now=now, limits=limits, by=_by(request))
    stopped = await request.app[OFFLOAD].run(operation)
    _note(request, operation)
    word = "draining" if stopped.draining else "stopped"
    document = {"status": word, "name": stopped.runner.name, **_warning(stopped.warning)}
    return json_answer(document, status=202 if stopped.draining else 200)


async def restart(request: web.Request) -> web.Response:
    bodies.only(request, "now")
    now, limits = bodies.flag(request, "now"), request[ACTOR].limits
    services = request.app[SERVICES]
    operation = core.restart_runner(services, _name(request), now=now, limits=limits, by=_by(request))
    restarted = await request.app[OFFLOAD].run(operation)
    if restarted.draining:
        return json_answer({"status": "draining", "name": restarted.runner.name}, status=202)
    document = documents.full_document(core.observe(services, restarted.runner))
    return json_answer({**document, "status": "restarted", **_warning(restarted.warning)})


def _by(request: web.Request) -> str:
    """Who wants it: ``tenant NAME``, or somebody of the operator's."""
    tenant = request[ACTOR].tenant
    return "request" if tenant is None else f"tenant {tenant}"


def _name(request: web.Request) -> str:
    return names.runner_name(request.match_info["name"])


ROUTES = (
    # The first is found soonest, and this one is asked most.
    Route("GET", "/api/v1/runners/{name}/status", status, Action.RUNNER_STATUS),
    Route("POST", "/api/v1/runners", create, Action.RUNNER_CREATE),
    Route("GET", "/api/v1/runners", listing, Action.RUNNER_LIST),
    Route("GET", "/api/v1/runners/{name}", get, Action.RUNNER_SHOW),
    Route("DELETE", "/api/v1/runners/{name}", remove, Action.RUNNER_REMOVE),
    Route("POST", "/api/v1/runners/{name}/start", start, Action.RUNNER_START),
    Route("POST", "/api/v1/runners/{name}/stop", stop, Action.RUNNER_STOP),
    Route("POST", "/api/v1/runners/{name}/restart", restart, Action.RUNNER_RESTART),
)
