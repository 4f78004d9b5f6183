"""The primary rate limit: so many calls an hour for each caller."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class Allowance:
    limit: int
    used: int
    reset: int
    """When the hour ends, in seconds since the epoch."""

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Used": str(self.used),
            "X-RateLimit-Reset": str(self.reset),
            "X-RateLimit-Resource": "core",
        }

    def to_json(self) -> dict[str, int]:
        return {"limit": self.limit, "remaining": self.remaining, "reset": self.reset, "used": self.used}


class RateLimits:
    """Every caller has the same allowance, anonymous ones too: a rehearsal should not end after 60 calls."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._windows: dict[str, tuple[int, int]] = {}

    def look(self, caller: str, *, now: float) -> Allowance:
        used, reset = self._windows.get(caller, (0, 0))
        if now >= reset:
            used, reset = 0, int(now) + WINDOW_SECONDS
            self._windows[caller] = used, reset
        return Allowance(limit=self.limit, used=used, reset=reset)

    def spend(self, caller: str, *, now: float) -> Allowance:
        seen = self.look(caller, now=now)
        self._windows[caller] = seen.used + 1, seen.reset
        return self.look(caller, now=now)
