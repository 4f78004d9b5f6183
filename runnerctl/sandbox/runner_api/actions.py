"""The actions that jobs use: what a reference resolves to, and the archive that is then downloaded."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from uuid import UUID

from aiohttp import web

from ..jobs.archives import ActionArchive, LeadsOut
from ..values import Job, Phase
from ..web_keys import GITHUB
from .callers import running_job
from .requests import body_of, credentials_of, no_query
from .schemas import ActionReference, ResolveActions

_RESOLVE = "/actions/build/{plan_id}/jobs/{job_id}/runnerresolve/actions"
_ARCHIVE = "/sandbox/action/{plan_id}/{job_number:\\d+}/{owner}/{name}/{version:.+}"


def add_routes(app: web.Application) -> None:
    app.router.add_post(_RESOLVE, resolve)
    app.router.add_get(_ARCHIVE, download)


async def resolve(request: web.Request) -> web.Response:
    no_query(request)
    asked = await body_of(request, ResolveActions)
    job = running_job(request, job_id=_uuid(request, "job_id"), plan_id=_uuid(request, "plan_id"))
    actions: dict[str, dict[str, Any]] = {}
    errors: dict[str, dict[str, str]] = {}
    for each in asked.actions:
        try:
            archive = request.app[GITHUB].actions.archive(each.action, job)
        except LeadsOut as exc:
            errors[_key(each)] = _unresolvable(each, str(exc))
            continue
        if archive is None:
            errors[_key(each)] = _unresolvable(each, "repository not found")
        else:
            actions[_key(each)] = _resolved(request, job, each, archive)
    return web.json_response({"errors": errors}, status=422) if errors else web.json_response({"actions": actions})


async def download(request: web.Request) -> web.Response:
    """With the token of the job that asked, and while it runs."""
    github, parts = request.app[GITHUB], request.match_info
    no_query(request)
    job = github.jobs.get(int(parts["job_number"]))
    token = github.tokens.find(_password(credentials_of(request, "Basic")), now=github.now())
    if token is None or job is None or token.job_id != job.id:
        raise web.HTTPUnauthorized
    archive = github.actions.archive(f"{parts['owner']}/{parts['name']}", job)
    if archive is None or job.phase is not Phase.RUNNING or job.request_id != parts["plan_id"]:
        raise web.HTTPNotFound
    return web.Response(body=archive.content, content_type="application/x-gzip")


def _resolved(request: web.Request, job: Job, asked: ActionReference, archive: ActionArchive) -> dict[str, Any]:
    server = request.app[GITHUB].server_url
    url = f"{server}/sandbox/action/{job.request_id}/{job.id}/{asked.action}/{asked.version}"
    return {
        "name": asked.action,
        "resolved_name": asked.action,
        "resolved_sha": archive.sha,
        "version": asked.version,
        "tar_url": url,
        "zip_url": url,
    }


def _unresolvable(asked: ActionReference, reason: str) -> dict[str, str]:
    return {"message": f"Unable to resolve action `{_key(asked)}`, {reason}"}


def _key(asked: ActionReference) -> str:
    return f"{asked.action}@{asked.version}"


def _uuid(request: web.Request, part: str) -> UUID:
    try:
        return UUID(request.match_info[part])
    except ValueError as exc:
        raise web.HTTPNotFound from exc


def _password(value: str) -> str:
    """Of ``x-access-token:TOKEN``."""
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return password if user == "x-access-token" else ""
