"""How fast callers may go on: failed logins are answered late, and a token asks so often a minute."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from runnerctl.core.domain.errors import TooManyRequests

_FIRST_SECONDS = 0.02
_MOST_SECONDS = 2.0
_FORGOTTEN_AFTER = 60.0
_MOST_KNOWN = 4096
_AT_ONCE = 200
"""So many requests more than its rate allows so far are nobody's trouble; whoever is further ahead is slowed down."""
_MOST_WAITING = 512
"""More are answered at once: who hangs up and comes again must not have us hold all that they left."""

Monotonic = Callable[[], float]


class FailedLogins:
    """By source. Only failures wait: behind a tunnel all callers share an address, and a right token must get in."""

    def __init__(self, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._waiting = 0

    async def wait(self, source: str) -> None:
        """Counts a failure, and waits until it should be answered."""
        delay = self.delay(source)
        if self._waiting < _MOST_WAITING:
            self._waiting += 1
            try:
                await asyncio.sleep(delay)
            finally:
                self._waiting -= 1

    def delay(self, source: str) -> float:
        """Counts a failure; seconds until it should be answered: twice as long as the last one's."""
        now = self._monotonic()
        count, last = self._seen.pop(source, (0, now))
        count = 0 if now - last > _FORGOTTEN_AFTER else count
        self._seen[source] = (count + 1, now)
        if len(self._seen) > _MOST_KNOWN:
            self._seen.popitem(last=False)
        return float(min(_MOST_SECONDS, _FIRST_SECONDS * 2 ** min(count, 16)))


class Rates:
    """A bucket for each token: full at first, it fills again within a minute. Those longest unused are forgotten."""

    def __init__(self, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, token_id: str, *, a_minute: int) -> float:
        """Seconds to wait with it: what is allowed in a minute comes evenly, but for its beginning, and others are
        served in between. Raises ``TooManyRequests`` when this token asks more often than that.
        """
        now = self._monotonic()
        left, last = self._buckets.pop(token_id, (float(a_minute), now))
        if len(self._buckets) >= _MOST_KNOWN:
            self._buckets.popitem(last=False)
        left = min(float(a_minute), left + (now - last) * a_minute / 60)
        if left < 1:
            self._buckets[token_id] = (left, now)
            raise TooManyRequests(
                f"This token sent more than {a_minute} requests in a minute", retry_after=(1 - left) * 60 / a_minute
            )
        self._buckets[token_id] = (left - 1, now)
        ahead = a_minute - left - _AT_ONCE
        return min(_MOST_SECONDS, max(0.0, ahead * 60 / a_minute))
