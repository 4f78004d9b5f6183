"""The run service: a job is acquired, its lock renewed, its output sent, its end reported."""

from __future__ import annotations

from . import http1, jsontext
from .broker import authorized

TYPE_CHECKING = False  # importing typing would cost 15 ms
if TYPE_CHECKING:
    from typing import Any

    from .http1 import Answer


class JobLost(Exception):
    """Somebody else has the job, or nobody may have it any more."""


class RunService:
    """Every call raises ``http1.Unreachable`` when there is no answer, and ``JobLost`` for an answer that is a no."""

    def __init__(self, url: str, access_token: str) -> None:
        self.url = url
        self._access_token = access_token

    def acquire(self, request_id: str) -> dict[str, Any]:
        answer = self._post("acquirejob", {"jobMessageId": request_id, "runnerOS": "Linux"})
        job: dict[str, Any] = jsontext.loads(answer.body)
        return job

    def renew(self, job: dict[str, Any]) -> None:
        self._post("renewjob", {"jobId": job["jobId"], "planId": job.get("planId")})

    def send_log(self, job: dict[str, Any], lines: list[str]) -> None:
        self._post("joblog", {"jobId": job["jobId"], "lines": lines})

    def complete(self, job: dict[str, Any], conclusion: str) -> None:
        self._post("completejob", {"jobId": job["jobId"], "planId": job.get("planId"), "conclusion": conclusion})

    def _post(self, what: str, content: dict[str, Any]) -> Answer:
        headers = authorized(self._access_token)
        answer = http1.call(
            "POST", self.url + what, headers=headers, body=jsontext.dumps(content).encode(), timeout=10.0
        )
        if not answer.ok:
            raise JobLost(f"{what}: Http response code: {answer.status}")
        return answer
