"""The sandbox's own API below ``/sandbox/control/``: what the person who rehearses decides.

Every call needs the sandbox's personal access token: a job that is submitted here will be run, so nobody else
on the machine, and no page in a browser, may submit one.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from .faults import Fault
from .orders import JobOrder
from .state import GitHub
from .tokens import TokenKind
from .values import Job, JobView, RunnerView, Scope
from .version_ends import Ends
from .web_keys import GITHUB, Handler

PREFIX = "/sandbox/control/"
PAT = web.AppKey("pat", str)
T = TypeVar("T")


class KnobSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The knobs to turn; what is left out stays as it is."""

    delay_all: float | None = None
    idle_lie: bool | None = None
    dispatch_on_delete: bool | None = None
    should_acknowledge: bool | None = None
    require_fips: bool | None = None
    clock_offset: float | None = None
    deprecations: bool | None = None
    registration_minimum: str | None = None


class Visibility(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may see a repository: everybody, or its owner's people."""

    public: bool


class VersionEnd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a version ends; without a time it has no end."""

    runtime_deprecates_at: datetime | None = None
    registration_deprecates_at: datetime | None = None


def add_routes(app: web.Application) -> None:
    app.router.add_post(f"{PREFIX}jobs", submit_job)
    app.router.add_get(f"{PREFIX}jobs", list_jobs)
    app.router.add_get(f"{PREFIX}jobs/{{id}}", get_job)
    app.router.add_get(f"{PREFIX}jobs/{{id}}/log", get_log)
    app.router.add_get(f"{PREFIX}jobs/{{id}}/steps/{{number}}/log", get_step_log)
    app.router.add_post(f"{PREFIX}jobs/{{id}}/cancel", cancel_job)
    app.router.add_get(f"{PREFIX}faults", list_faults)
    app.router.add_post(f"{PREFIX}faults", add_fault)
    app.router.add_delete(f"{PREFIX}faults", clear_faults)
    app.router.add_get(f"{PREFIX}knobs", get_knobs)
    app.router.add_put(f"{PREFIX}knobs", turn_knobs)
    app.router.add_put(f"{PREFIX}versions/{{version}}", end_version)
    app.router.add_put(f"{PREFIX}repositories/{{owner}}/{{repo}}", publish)
    app.router.add_get(f"{PREFIX}state", get_state)
    app.router.add_get(f"{PREFIX}calls", list_calls)
    app.router.add_delete(f"{PREFIX}tokens", revoke_tokens)
    app.router.add_post(f"{PREFIX}oidc-tokens", issue_id_token)
    app.router.add_delete(f"{PREFIX}oidc-key", rotate_id_key)


@web.middleware
async def only_with_token(request: web.Request, handler: Handler) -> web.StreamResponse:
    if not request.path.startswith(PREFIX):
        return await handler(request)
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), request.app[PAT].encode()):
        return _json({"error": "Give the sandbox's personal access token as bearer token"}, status=401)
    try:
        return await handler(request)
    except msgspec.MsgspecError as exc:
        return _json({"error": str(exc)}, status=400)


async def submit_job(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    job = (await _decoded(request, JobOrder)).submit(github)
    return _json(github.view_job(job), status=201)


async def list_jobs(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    return _json([github.view_job(job) for job in github.jobs.all()])


async def get_job(request: web.Request) -> web.Response:
    """With ``?wait=SECONDS`` not before the job is completed, or the time is over."""
    github = request.app[GITHUB]
    await _completed(github, _job(request).id, _seconds(request))
    return _json(github.view_job(_job(request)))


async def get_log(request: web.Request) -> web.Response:
    return _text(request.app[GITHUB].jobs.report(_job(request)).lines)


async def get_step_log(request: web.Request) -> web.Response:
    steps = request.app[GITHUB].jobs.report(_job(request)).steps
    step = next((step for step in steps if str(step.number) == request.match_info["number"]), None)
    if step is None:
        raise web.HTTPNotFound
    return _text(step.lines)


async def cancel_job(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    github.cancel(_job(request))
    return _json(github.view_job(_job(request)), status=202)


async def list_faults(request: web.Request) -> web.Response:
    return _json(request.app[GITHUB].faults.waiting())


async def add_fault(request: web.Request) -> web.Response:
    fault = await _decoded(request, Fault)
    request.app[GITHUB].faults.add(fault)
    return _json(fault, status=201)


async def clear_faults(request: web.Request) -> web.Response:
    request.app[GITHUB].faults.clear()
    return web.Response(status=204)


async def get_knobs(request: web.Request) -> web.Response:
    return _json(request.app[GITHUB].knobs)


async def turn_knobs(request: web.Request) -> web.Response:
    knobs = request.app[GITHUB].knobs
    turned = await _decoded(request, KnobSettings)
    for name, value in msgspec.structs.asdict(turned).items():
        if value is not None:
            setattr(knobs, name, value)
    return _json(knobs)


async def end_version(request: web.Request) -> web.Response:
    end = await _decoded(request, VersionEnd)
    runtime_at, registration_at = _instant(end.runtime_deprecates_at), _instant(end.registration_deprecates_at)
    ends = Ends(runtime_at=runtime_at, registration_at=registration_at)
    request.app[GITHUB].version_ends.set(request.match_info["version"], ends)
    return _json(end)


async def publish(request: web.Request) -> web.Response:
    visibility = await _decoded(request, Visibility)
    request.app[GITHUB].accounts.publish(
        Scope(owner=request.match_info["owner"], repo=request.match_info["repo"]), public=visibility.public
    )
    return _json(visibility)


async def get_state(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    runners: list[RunnerView] = [github.view_runner(runner) for runner in github.registry.all()]
    jobs: list[JobView] = [github.view_job(job) for job in github.jobs.all()]
    return _json({"runners": runners, "jobs": jobs, "faults": github.faults.waiting(), "knobs": github.knobs})


async def list_calls(request: web.Request) -> web.Response:
    return _json(request.app[GITHUB].calls)


async def revoke_tokens(request: web.Request) -> web.Response:
    request.app[GITHUB].tokens.forget_all(TokenKind.INSTALLATION)
    return web.Response(status=204)


async def issue_id_token(request: web.Request) -> web.Response:
    """The body is claims; those left out are a usual workflow's. The answer has GitHub's form."""
    return _json({"value": request.app[GITHUB].id_token(await _decoded(request, dict[str, Any]))}, status=201)


async def rotate_id_key(request: web.Request) -> web.Response:
    """Tokens signed by the key so far are worth nothing from now on."""
    request.app[GITHUB].id_tokens.rotate()
    return web.Response(status=204)


async def _completed(github: GitHub, job_id: int, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while (job := github.jobs.get(job_id)) and job.completed_at is None and not github.closing:
                await github.change()
    except TimeoutError:
        return


def _job(request: web.Request) -> Job:
    text = request.match_info["id"]
    job = request.app[GITHUB].jobs.get(int(text)) if text.isascii() and text.isdigit() else None
    if job is None:
        raise web.HTTPNotFound
    return job


def _seconds(request: web.Request) -> float:
    try:
        return min(max(float(request.query.get("wait", "0")), 0.0), 3600.0)
    except ValueError as exc:
        raise web.HTTPBadRequest from exc


def _instant(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()


async def _decoded(request: web.Request, kind: type[T]) -> T:
    return msgspec.json.decode(await request.read(), type=kind)


def _text(lines: Iterable[str]) -> web.Response:
    return web.Response(text="".join(f"{line}\n" for line in lines))


def _json(body: Any, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
