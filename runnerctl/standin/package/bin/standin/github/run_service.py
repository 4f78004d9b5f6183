"""The run service: a job is acquired and renewed by the Listener, and completed by the Worker."""

from __future__ import annotations

from . import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..identity import Identity
    from .http1 import Answer

_SOURCE = "actions-run-service"


class JobNotFound(calls.Refused):
    """404: the job is over, or somebody else's."""


class JobNotOurs(calls.Refused):
    """409 or 422: already acquired, or not to be run."""


class Unauthorized(calls.Refused):
    """401: the job's token is worth nothing any more."""


_FINAL = (JobNotFound, JobNotOurs)


def acquire(url: str, request: dict[str, Any], identity: Identity) -> dict[str, Any]:
    """The whole job message; by the runner's own token, a new one for each job."""
    from .oauth import TokenSource

    tokens = TokenSource(identity)
    content = {"jobMessageId": request["runner_request_id"], "runnerOS": "Linux",
               "billingOwnerId": request.get("billing_owner_id")}  # fmt: skip

    def once() -> dict[str, Any]:
        answer = calls.post(f"{url}acquirejob", content, authorization=tokens.bearer())
        _require(answer, "Failed to get job message")
        job = answer.json()
        if not isinstance(job, dict):
            raise calls.Refused("Failed to get job message: it is no JSON object")
        return job

    acquired: dict[str, Any] = calls.retried(once, final=_FINAL)
    return acquired


class JobService:
    """By the job's own token."""

    def __init__(self, url: str, token: str, *, plan_id: str, job_id: str) -> None:
        self._url = url
        self._authorization = f"Bearer {token}"
        self._ids = {"planId": plan_id, "jobId": job_id}

    def renew(self) -> None:
        calls.retried(lambda: self._post("renewjob", self._ids, "Failed to renew job"), final=(JobNotFound,))

    def complete(self, content: dict[str, Any]) -> None:
        """Report the end; ``content`` is all but the two ids."""
        whole = {**self._ids, **content}
        calls.retried(
            lambda: self._post("completejob", whole, "Failed to complete job"), final=(JobNotFound, Unauthorized)
        )

    def _post(self, what: str, content: dict[str, Any], failure: str) -> None:
        _require(calls.post(f"{self._url}{what}", content, authorization=self._authorization), failure)


def _require(answer: Answer, failure: str) -> None:
    if answer.ok:
        return
    content = answer.json()
    said = content if isinstance(content, dict) else {}
    message = f"{failure}: Error: {calls.status_name(answer.status)}. {said.get('errorMessage') or ''}".rstrip()
    if answer.status == 401:
        raise Unauthorized(message)
    if said.get("source") == _SOURCE:
        status = said.get("statusCode")
        if status == 404:
            raise JobNotFound(message)
        if status in (409, 422):
            raise JobNotOurs(message)
    raise calls.Refused(message)
