"""ID tokens for jobs: behind ``ACTIONS_ID_TOKEN_REQUEST_URL``, with ``ACTIONS_ID_TOKEN_REQUEST_TOKEN``.

Asked by a step, not by the runner: https://docs.github.com/actions/reference/openid-connect-reference
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ..jobs.message import asks_for_id_tokens
from ..runner_urls import ID_TOKEN
from ..values import Job, Phase
from ..web_keys import GITHUB
from .callers import known_job


def add_routes(app: web.Application) -> None:
    app.router.add_get(ID_TOKEN, issue)


async def issue(request: web.Request) -> web.Response:
    """``{"value": JWT}``, for a job that runs and whose workflow has the permission."""
    job = known_job(request)
    if job.phase is not Phase.RUNNING or not asks_for_id_tokens(job):
        raise web.HTTPForbidden
    claims = _claims(job)
    if audience := request.query.get("audience"):
        claims["aud"] = audience
    return web.json_response({"value": request.app[GITHUB].id_token(claims)})


def _claims(job: Job) -> dict[str, Any]:
    return {
        "repository": str(job.repository),
        "run_id": str(job.run_id),
        "ref": job.ref,
        "sha": job.sha,
        "actor": job.actor,
        "event_name": job.event_name,
        "workflow": job.workflow,
        "workflow_ref": job.workflow_ref,
        "workflow_sha": job.sha,
        "job_workflow_ref": job.workflow_ref,
        "job_workflow_sha": job.sha,
        "runner_environment": "self-hosted",
    }
