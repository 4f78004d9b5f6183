"""How much a tenant may ask of GitHub, whose rate limit all tenants share: calls an hour, and creates that come to
nothing. Values and pure decisions; what was used is the store's to keep.
"""

from __future__ import annotations

from typing import NamedTuple

from ..domain.durations import shown
from ..domain.errors import TooManyRequests
from ..domain.phrases import counted

CALLS_OF_A_CREATE = 4
"""What one that is being made is taken to cost, until it is known: a token, its installation, a repository, itself."""
FREE_FAILURES = 4
"""So many in a row are anybody's: a typing error, a label too many."""
_HOUR = 3600.0
_FIRST_SECONDS = 5.0
_MOST_SECONDS = 300.0


class TenantUse(NamedTuple):
    """What one tenant has used, as it was written down."""

    spent: float = 0.0
    """Calls, at ``spent_at``; they count for less from then on, and for nothing once the whole budget has come back."""
    spent_at: float = 0.0
    failures: int = 0
    """Runners in a row that failed; one that takes jobs ends the row."""
    failed_at: float = 0.0

    def calls(self, now: float, *, an_hour: int) -> float:
        """Those that still count."""
        return max(0.0, self.spent - max(0.0, now - self.spent_at) * an_hour / _HOUR)

    def with_calls(self, calls: int, now: float, *, an_hour: int) -> TenantUse:
        return self._replace(spent=self.calls(now, an_hour=an_hour) + calls, spent_at=now)

    def in_a_row(self, now: float) -> int:
        """Failures that still count: after an hour without one they are history, and so are those of the future, which
        a clock that was set back has left.
        """
        return self.failures if 0 <= now - self.failed_at < _HOUR else 0

    def with_failure(self, now: float) -> TenantUse:
        return self._replace(failures=self.in_a_row(now) + 1, failed_at=now)

    def pause(self, now: float) -> float:
        """Seconds until a create may be tried again after those that failed."""
        beyond = self.in_a_row(now) - FREE_FAILURES
        if beyond <= 0:
            return 0.0
        return max(0.0, self.failed_at + min(_MOST_SECONDS, _FIRST_SECONDS * 2.0 ** min(beyond - 1, 10)) - now)


def check_calls(tenant: str, use: TenantUse, now: float, *, an_hour: int, making: int = 0) -> None:
    """Raises ``TooManyRequests`` unless GitHub may be asked for that tenant; ``making`` are runners it has begun."""
    over = use.calls(now, an_hour=an_hour) + (making + 1) * CALLS_OF_A_CREATE - max(an_hour, CALLS_OF_A_CREATE)
    if over > 0:
        raise TooManyRequests(
            f"Tenant {tenant!r} has used up its {an_hour} GitHub calls an hour",
            hint="Wait; GET /api/v1/whoami shows what is left, and the operator sets server.github_calls",
            retry_after=max(1.0, over * _HOUR / an_hour),
        )


def check_failures(tenant: str, use: TenantUse, now: float, *, making: int = 0) -> None:
    """Raises ``TooManyRequests`` while creates are held back after some that failed; then one at a time is tried."""
    seconds = use.pause(now)
    if use.in_a_row(now) >= FREE_FAILURES and making:
        seconds = max(seconds, _FIRST_SECONDS)
    if seconds > 0:
        raise TooManyRequests(
            f"The last {counted(use.in_a_row(now), 'runner')} of tenant {tenant!r} failed",
            hint=f"Mend what they failed of, which GET /api/v1/runners?all=true shows, and try again in "
            f"{shown(max(1.0, seconds))}",
            retry_after=max(1.0, seconds),
        )
