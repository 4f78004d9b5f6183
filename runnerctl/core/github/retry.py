"""When a call is tried again, and how long it waits before."""

from __future__ import annotations

import random

from ..domain.clock import Clock
from ..domain.errors import GitHubNoAnswer, GitHubUnavailable
from .errors import refusal
from .requests import Answer, Request
from .transport import Transport

MAX_TRIES = 3
_WORTH_A_TRY = 0.1
"""Seconds that must be left for one more."""


def delay(attempt: int, *, rng: random.Random) -> float:
    """Spread out, so that many callers who failed together do not return together."""
    return rng.uniform(0.25, 0.75) * 2.0**attempt


class Retry:
    """Sends until GitHub answers below 500. Rate limits are never slept through: they are the caller's to plan."""

    def __init__(self, transport: Transport, *, seconds: float, clock: Clock, rng: random.Random) -> None:
        self._transport = transport
        self._seconds = seconds
        self._clock = clock
        self._rng = rng

    def send(self, request: Request, bearer: str | None) -> Answer:
        """All tries and pauses together end in time.

        Raises ``GitHubUnavailable``, or ``GitHubNoAnswer`` when GitHub may have carried it out.
        """
        end = self._clock.monotonic() + self._seconds
        left = self._seconds
        attempt = 0
        while True:
            try:
                return self._once(request, bearer, left)
            except GitHubUnavailable as exc:
                attempt += 1
                pause = max(delay(attempt - 1, rng=self._rng), exc.retry_after or 0.0)
                left = end - self._clock.monotonic() - pause
                if (
                    attempt == MAX_TRIES
                    or (isinstance(exc, GitHubNoAnswer) and not request.idempotent)
                    or left < _WORTH_A_TRY
                ):
                    raise
            self._clock.sleep(pause)

    def _once(self, request: Request, bearer: str | None, seconds: float) -> Answer:
        answer = self._transport.exchange(request, bearer, seconds=seconds)
        if answer.status >= 500:
            raise refusal(request, answer)
        return answer
