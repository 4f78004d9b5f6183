"""When a call is tried again, and how long it waits before."""

from __future__ import annotations

import random

from ..domain.clock import Clock
from ..domain.errors import GitHubNoAnswer, GitHubUnavailable
from .errors import refusal
from .requests import Answer, Request
from .transport import Transport

MAX_TRIES = 3
PATIENCE = 10.0
"""Seconds after which no further try begins."""


def delay(attempt: int, *, rng: random.Random) -> float:
    """Spread out, so that many callers who failed together do not return together."""
    return rng.uniform(0.25, 0.75) * 2.0**attempt


class Retry:
    """Sends until GitHub answers below 500. Rate limits are never slept through: they are the caller's to plan."""

    def __init__(self, transport: Transport, *, clock: Clock, rng: random.Random) -> None:
        self._transport = transport
        self._clock = clock
        self._rng = rng

    def send(self, request: Request, bearer: str | None) -> Answer:
        """Raises ``GitHubUnavailable``, or ``GitHubNoAnswer`` when GitHub may have carried it out."""
        last_start = self._clock.monotonic() + PATIENCE
        attempt = 0
        while True:
            try:
                return self._once(request, bearer)
            except GitHubUnavailable as exc:
                attempt += 1
                pause = max(delay(attempt - 1, rng=self._rng), exc.retry_after or 0.0)
                if (
                    attempt == MAX_TRIES
                    or (isinstance(exc, GitHubNoAnswer) and not request.idempotent)
                    or self._clock.monotonic() + pause > last_start
                ):
                    raise
            self._clock.sleep(pause)

    def _once(self, request: Request, bearer: str | None) -> Answer:
        answer = self._transport.exchange(request, bearer)
        if answer.status >= 500:
            raise refusal(request, answer)
        return answer
