"""The runners: made, shown, listed, started, stopped, restarted, removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal, TypedDict, TypeVar

import msgspec
from aiohttp import web

from runnerctl import core
from runnerctl.core import Action, TokenLimits
from runnerctl.core.domain import documents, errors, moments, names
from runnerctl.core.domain.document_types import (
    DrainingRunner,
    RemovedRunner,
    RestartedRunner,
    RunnerDocument,
    RunnerWithHistory,
    StartedRunner,
    StatusDocument,
    StoppedRunner,
    UndrainedRunner,
    UnknownRunner,
    Warned,
)
from runnerctl.core.domain.models import Runner, RunnerQuery
from runnerctl.core.domain.paging import Page, Sort, SortKey
from runnerctl.core.domain.phrases import spoken
from runnerctl.core.domain.states import LIVE, RunnerState

from ..allowances import caller
from ..answers import WORDS, Answer, encoded_answer
from ..bodies import CreateBody, RemoveBody
from ..creating import asked_by, check_may_create, creation
from ..entity_tags import NOT_MODIFIED, ageless, tagged
from ..idempotency import once
from ..keys import ACTION, ACTOR, LISTED, OBJECT, OFFLOAD, SERVICES, STATUS_CACHE, UNCHANGED
from ..pages import after, following
from ..parameters import Cursor, Label, Limit, Repository, RunnerName, Since
from ..routing import CHANGES, GITHUB, IDEMPOTENCY, IDEMPOTENCY_KEY, IF_NONE_MATCH, NAMED, Route

T = TypeVar("T")

_INLINE_ROWS = 200
"""Longer lists are read in a thread: the loop must not stand still for them."""
_BEGUN_SECONDS = 0.25
_INLINE_OBSERVED = 20
"""The processes of more runners are looked at in a thread, too: that takes a tenth of a millisecond each."""


SortWord = Literal[
    "created", "-created", "age", "-age", "name", "-name", "state", "-state", "changed", "-changed"
]  # fmt: skip


class RunnerListQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which runners."""

    state: RunnerState | None = None
    """Also those whose life has ended in it."""
    repo: Repository | None = None
    label: Label | None = None
    all: bool = False
    """Those whose life has ended, too."""
    since: Since | None = None
    """Those whose state has changed since then."""
    sort: SortWord = "created"
    """By when they were made, by their age, name or state, or by when that changed last; `-`: the other way round."""
    limit: Limit = 100
    cursor: Cursor | None = None


class RemoveQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How it goes."""

    force: bool = False
    """At once: a job that runs is killed, and what GitHub does not answer is tried again later."""
    drain: bool = False
    """After the job that runs."""


class StartQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How it starts."""

    register: bool = False
    """Anew, where GitHub has no registration of it any more."""


class StopQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How it stops."""

    now: bool = False
    """A job that runs is killed; else it is finished first."""


class RunnersPage(TypedDict):
    """Runners, in the order that was asked for."""

    items: list[RunnerDocument]
    next: str | None
    """The `cursor` of the next page; null on the last."""


CREATED = Answer(201, "The runner runs.", StartedRunner, ("Location", "Idempotency-Replayed"))
REMOVED = Answer(200, "The runner is gone, or was before.", RemovedRunner)
DRAINING = Answer(202, "It takes no further job, and goes on when the one that runs has ended.", DrainingRunner)
STATUS: Answer[StatusDocument | UnknownRunner] = Answer(
    200, "How the runner is; also for a name that no runner has.", (StatusDocument, UnknownRunner)
)
SHOWN = Answer(200, "The runner.", RunnerWithHistory, ("ETag",))
PAGE = Answer(200, "The runners that the caller sees.", RunnersPage, ("ETag", "Server-Timing"))
STARTED = Answer(200, "The runner runs, or did before.", StartedRunner)
STOPPED = Answer(200, "The runner is stopped, or was before.", StoppedRunner)
UNDRAINED = Answer(200, "The runner is not drained any more, or was not.", UndrainedRunner)
RESTARTED = Answer(200, "The runner runs again.", RestartedRunner)


async def create(request: web.Request, body: CreateBody) -> web.Response:
    """Make a runner.

    A runner of that name whose life has ended is replaced.
    """
    services, offload = request.app[SERVICES], request.app[OFFLOAD]
    request[OBJECT] = body.name
    if body.replace:
        request[ACTION] = Action.RUNNER_REPLACE
    check_may_create(request, body, replace=body.replace)
    spec = body.spec(services.settings, tenant=request[ACTOR].tenant)

    async def make(ids: Sequence[str]) -> web.Response:
        runner = await offload.run(creation(request, spec, body, runner_id=ids[0], replace=body.replace))
        document = documents.started_document(core.observe(services, runner))
        return CREATED.of(document, headers={"Location": f"/api/v1/runners/{runner.name}"})

    return await once(request, body, 1, make)


async def remove(request: web.Request, name: RunnerName, query: RemoveQuery, body: RemoveBody) -> web.Response:
    """Remove a runner.

    Its registration, its processes and its directory go; its log stays for a while.
    """
    services, offload = request.app[SERVICES], request.app[OFFLOAD]
    name = names.runner_name(name)
    operation = core.remove_runner(
        services,
        name,
        scope=body.scope(),
        force=query.force,
        drain=query.drain,
        limits=request[ACTOR].limits,
        by=asked_by(request),
    )
    # A drain lasts as long as a job: the answer is given when it has begun, and nobody waits for the rest.
    if query.drain:
        removal = await offload.run_for(operation, _BEGUN_SECONDS)
    else:
        removal = await offload.run(operation)
    _note(request, operation)
    if removal is None:
        return DRAINING.of({"status": "draining", "name": name})
    return _removal(removal)


def _note(request: web.Request, operation: core.Operation[T]) -> None:
    """For the audit log."""
    if operation.already:
        request[UNCHANGED] = True


def _removal(removal: core.Removal) -> web.Response:
    name, warned = removal.runner.name, _warned(removal.warning)
    if removal.draining:
        return DRAINING.of({"status": "draining", "name": name, **warned})
    return REMOVED.of({"status": "removed", "name": name, **warned})


def _warned(text: str | None) -> Warned:
    return {} if text is None else {"warning": spoken(text, WORDS)}


async def status(request: web.Request, name: RunnerName) -> web.Response:
    """Show how a runner is."""
    # A query at most and a look at two processes: quick enough for the loop itself.
    return encoded_answer(request.app[STATUS_CACHE].status(names.runner_name(name), request[ACTOR].limits))


async def get(request: web.Request, name: RunnerName) -> web.Response:
    """Show a runner and its history."""
    services, limits = request.app[SERVICES], request[ACTOR].limits
    document = await request.app[OFFLOAD].call(_with_history, services, names.runner_name(name), limits)
    return tagged(request, SHOWN, document, told=ageless(document))


def _with_history(services: core.Services, name: str, limits: TokenLimits | None) -> RunnerWithHistory:
    seen = core.get_runner(services, name, limits=limits)
    assert seen.runner is not None  # noqa: S101 - get_runner raised otherwise
    return documents.document_with_history(seen, services.store.history(seen.runner.id))


async def listing(request: web.Request, query: RunnerListQuery) -> web.Response:
    """List runners."""
    began = time.perf_counter()
    services = request.app[SERVICES]
    wanted = RunnerQuery(
        every=query.all,
        state=query.state,
        scope=query.repo,
        label=query.label,
        tenant=request[ACTOR].tenant,
        since=moments.since("since", query.since, now=services.clock.now()),
        sort=Sort(SortKey(query.sort.removeprefix("-")), descending=query.sort.startswith("-")),
        after=after(request),
        limit=query.limit,
    )
    if query.limit <= _INLINE_ROWS and not _reaches_back(wanted):
        page = services.store.page(wanted)
    else:
        page = await _offloaded(request, lambda: services.store.page(wanted))
    if len(page.items) > _INLINE_ROWS or sum(listed.state in LIVE for listed in page.items) > _INLINE_OBSERVED:
        answer = await _offloaded(request, lambda: _page(request, page))
    else:
        answer = _page(request, page)
    answer.headers["Server-Timing"] = f"list;dur={1000 * (time.perf_counter() - began):.2f}"
    return answer


def _reaches_back(query: RunnerQuery) -> bool:
    """Whether it is about those whose life has ended, too: they may be a hundred thousand."""
    return query.every if query.state is None else query.state not in LIVE


async def _offloaded(request: web.Request, work: Callable[[], T]) -> T:
    return await request.app[OFFLOAD].call_slow(caller(request[ACTOR]), work)


def _page(request: web.Request, page: Page[Runner]) -> web.Response:
    items = request.app[LISTED].documents(page.items)
    document: RunnersPage = {"items": items, "next": following(request, page.next)}
    return tagged(request, PAGE, document, told=[*map(ageless, items), document["next"]])


async def start(request: web.Request, name: RunnerName, query: StartQuery) -> web.Response:
    """Start a runner that was stopped."""
    services, limits = request.app[SERVICES], request[ACTOR].limits
    operation = core.start_runner(
        services, names.runner_name(name), register=query.register, limits=limits, by=asked_by(request)
    )
    runner = await request.app[OFFLOAD].run(operation)
    _note(request, operation)
    return STARTED.of(documents.started_document(core.observe(services, runner)))


async def stop(request: web.Request, name: RunnerName, query: StopQuery) -> web.Response:
    """Stop a runner.

    A job that runs is finished first. A persistent runner can be started again.
    """
    services, limits = request.app[SERVICES], request[ACTOR].limits
    operation = core.stop_runner(services, names.runner_name(name), now=query.now, limits=limits, by=asked_by(request))
    stopped = await request.app[OFFLOAD].run(operation)
    _note(request, operation)
    name, warned = stopped.runner.name, _warned(stopped.warning)
    if stopped.draining:
        return DRAINING.of({"status": "draining", "name": name, **warned})
    return STOPPED.of({"status": "stopped", "name": name, **warned})


async def restart(request: web.Request, name: RunnerName, query: StopQuery) -> web.Response:
    """Restart a runner.

    A job that runs is finished first.
    """
    services, limits, by = request.app[SERVICES], request[ACTOR].limits, asked_by(request)
    operation = core.restart_runner(services, names.runner_name(name), now=query.now, limits=limits, by=by)
    restarted = await request.app[OFFLOAD].run(operation)
    if restarted.draining:
        return DRAINING.of({"status": "draining", "name": restarted.runner.name})
    seen = core.observe(services, restarted.runner)
    return RESTARTED.of(documents.restarted_document(seen, _warned(restarted.warning)))


async def undrain(request: web.Request, name: RunnerName) -> web.Response:
    """Take back the drain of a runner.

    It takes jobs again. Once GitHub has let go of it, it is too late.
    """
    services, limits = request.app[SERVICES], request[ACTOR].limits
    operation = core.undrain_runner(services, names.runner_name(name), limits=limits, by=asked_by(request))
    runner = await request.app[OFFLOAD].run(operation)
    _note(request, operation)
    return UNDRAINED.of(documents.undrained_document(core.observe(services, runner)))


_MOVES = (*NAMED, *CHANGES, *GITHUB, errors.InvalidTransition, errors.DeadlineExceeded, errors.PackageInvalid)
"""How what is asked of a runner that is there can end."""

ROUTES = (
    # The first is found soonest, and this one is asked most.
    Route("GET", "/api/v1/runners/{name}/status", status, Action.RUNNER_STATUS, (STATUS,)),
    Route(
        "POST",
        "/api/v1/runners",
        create,
        Action.RUNNER_CREATE,
        (CREATED,),
        (
            *CHANGES,
            *GITHUB,
            *IDEMPOTENCY,
            errors.DeadlineExceeded,
            errors.InvalidTransition,
            errors.PackageInvalid,
            errors.QuotaExceeded,
            errors.RunnerBusy,
            errors.RunnerExists,
        ),
        (IDEMPOTENCY_KEY,),
    ),
    Route("GET", "/api/v1/runners", listing, Action.RUNNER_LIST, (PAGE, NOT_MODIFIED), headers=(IF_NONE_MATCH,)),
    Route("GET", "/api/v1/runners/{name}", get, Action.RUNNER_SHOW, (SHOWN, NOT_MODIFIED), NAMED, (IF_NONE_MATCH,)),
    Route(
        "DELETE",
        "/api/v1/runners/{name}",
        remove,
        Action.RUNNER_REMOVE,
        (REMOVED, DRAINING),
        (*_MOVES, errors.RunnerBusy, errors.ScopeMismatch),
    ),
    Route("POST", "/api/v1/runners/{name}/start", start, Action.RUNNER_START, (STARTED,), _MOVES),
    Route("POST", "/api/v1/runners/{name}/stop", stop, Action.RUNNER_STOP, (STOPPED, DRAINING), _MOVES),
    Route("POST", "/api/v1/runners/{name}/restart", restart, Action.RUNNER_RESTART, (RESTARTED, DRAINING), _MOVES),
    Route("POST", "/api/v1/runners/{name}/undrain", undrain, Action.RUNNER_UNDRAIN, (UNDRAINED,), _MOVES),
)
