"""The results service: where logs and summaries go, that they are there, and how far the steps have come.

Twirp: each call is a POST of JSON (``ResultsHttpClient.cs`` of actions/runner).
"""

from __future__ import annotations

from typing import TypeVar

from aiohttp import web

from ..jobs.blobs import Blob
from ..runner_urls import RESULTS
from ..values import Job
from ..web_keys import GITHUB
from .blobs import PREFIX
from .callers import running_job
from .requests import body_of, no_query
from .schemas import JobLogsMetadata, JobRef, StepLogsMetadata, StepRef, StepsUpdate, SummaryMetadata, given_or
from .strict import Malformed

_RECEIVER = f"{RESULTS}twirp/results.services.receiver.Receiver/"
_STEPS = f"{RESULTS}twirp/github.actions.results.api.v1.WorkflowStepUpdateService/"
_STORAGE = "BLOB_STORAGE_TYPE_AZURE"
_SOFT_LIMIT = 2**30
_SUMMARY_LIMIT = 2**20
R = TypeVar("R", bound=JobRef)


def add_routes(app: web.Application) -> None:
    for name, handler in (
        ("GetStepLogsSignedBlobURL", step_logs_url),
        ("CreateStepLogsMetadata", step_logs_there),
        ("GetJobLogsSignedBlobURL", job_logs_url),
        ("CreateJobLogsMetadata", job_logs_there),
        ("GetStepSummarySignedBlobURL", summary_url),
        ("CreateStepSummaryMetadata", summary_there),
        ("GetJobDiagLogsSignedBlobURL", diagnostic_logs_url),
    ):
        app.router.add_post(f"{_RECEIVER}{name}", handler)
    app.router.add_post(f"{_STEPS}WorkflowStepsUpdate", update_steps)


async def step_logs_url(request: web.Request) -> web.Response:
    job, asked = await _asked(request, StepRef)
    url = _signed_url(request, _step_log(job, asked), typed=True)
    return web.json_response({"logs_url": url, "blob_storage_type": _STORAGE, "soft_size_limit": _SOFT_LIMIT})


async def step_logs_there(request: web.Request) -> web.Response:
    job, asked = await _asked(request, StepLogsMetadata)
    content = bytes(_uploaded(request, _step_log(job, asked)).content)
    request.app[GITHUB].jobs.report(job).take_step_log(asked.step_backend_id, content)
    return _ok(request)


async def job_logs_url(request: web.Request) -> web.Response:
    job, _ = await _asked(request, JobRef)
    url = _signed_url(request, _job_log(job), typed=True)
    return web.json_response({"logs_url": url, "blob_storage_type": _STORAGE})


async def job_logs_there(request: web.Request) -> web.Response:
    job, _ = await _asked(request, JobLogsMetadata)
    request.app[GITHUB].jobs.report(job).take_log(bytes(_uploaded(request, _job_log(job)).content))
    return _ok(request)


async def summary_url(request: web.Request) -> web.Response:
    job, asked = await _asked(request, StepRef)
    url = _signed_url(request, _summary(job, asked), typed=False)
    return web.json_response({"summary_url": url, "soft_size_limit": _SUMMARY_LIMIT, "blob_storage_type": _STORAGE})


async def summary_there(request: web.Request) -> web.Response:
    job, asked = await _asked(request, SummaryMetadata)
    content = bytes(_uploaded(request, _summary(job, asked)).content)
    if given_or(asked.size, len(content)) != len(content):
        raise Malformed(f"'size' is {asked.size}, but {len(content)} bytes were uploaded")
    request.app[GITHUB].jobs.report(job).take_summary(asked.step_backend_id, content)
    return _ok(request)


async def diagnostic_logs_url(request: web.Request) -> web.Response:
    """Asked for with debug logging only."""
    job, _ = await _asked(request, JobRef)
    url = _signed_url(request, f"{job.guid}/diagnostics", typed=False)
    return web.json_response({"diag_logs_url": url, "blob_storage_type": _STORAGE})


async def update_steps(request: web.Request) -> web.Response:
    job, asked = await _asked(request, StepsUpdate)
    request.app[GITHUB].jobs.report(job).take_updates(asked.steps)
    return _ok(request)


async def _asked(request: web.Request, shape: type[R]) -> tuple[Job, R]:
    no_query(request)
    asked = await body_of(request, shape)
    job = running_job(request, job_id=asked.workflow_job_run_backend_id, plan_id=asked.workflow_run_backend_id)
    return job, asked


def _signed_url(request: web.Request, name: str, *, typed: bool) -> str:
    github = request.app[GITHUB]
    return f"{github.server_url}{PREFIX}{name}?sig={github.blobs.open(name, typed=typed).signature}"


def _uploaded(request: web.Request, name: str) -> Blob:
    blob = request.app[GITHUB].blobs.get(name)
    if blob is None or not blob.uploaded:
        raise Malformed("Nothing was uploaded before")
    return blob


def _ok(request: web.Request) -> web.Response:
    request.app[GITHUB].notify_change()
    return web.json_response({"ok": True})


def _job_log(job: Job) -> str:
    return f"{job.guid}/log"


def _step_log(job: Job, asked: StepRef) -> str:
    return f"{job.guid}/log-{asked.step_backend_id}"


def _summary(job: Job, asked: StepRef) -> str:
    return f"{job.guid}/summary-{asked.step_backend_id}"
