"""The access tokens of jobs: with one, a Worker and its steps speak for one job and nothing else.

A JWT that clients read: the runner wants ``orch_id`` in it (``Runner.Common/HostContext.cs``), artifact and cache
clients find the run and the job in ``scp``. It is checked by looking it up.
"""

from __future__ import annotations

import secrets
import uuid
from typing import Any

import jwt

from ..values import Job

_SECONDS = 6 * 3600


class JobTokens:
    """A token goes on to name its job when that is over: a late caller is then told that the job is gone."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._jobs: dict[str, int] = {}

    def issue(self, job: Job, *, issuer: str, now: float) -> str:
        token = jwt.encode(_claims(job, issuer, int(now)), self._secret, algorithm="HS256")
        self._jobs[token] = job.id
        return token

    def job_of(self, token: str) -> int | None:
        return self._jobs.get(token)


def _claims(job: Job, issuer: str, now: int) -> dict[str, Any]:
    return {
        "iss": issuer,
        "aud": issuer,
        "jti": str(uuid.uuid4()),
        "nbf": now,
        "iat": now,
        "exp": now + _SECONDS,
        "orch_id": job.orchestration_id,
        "scp": f"Actions.Results:{job.request_id}:{job.guid} Actions.GenericRead:{uuid.UUID(int=0)}",
    }
