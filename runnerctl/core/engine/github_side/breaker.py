"""How much is begun in a scope without a command: so much and no more, and after a failure less and less often.

A fault that is not ours must not become a storm of registrations. No back-off is for ever.
"""

from __future__ import annotations

from ...domain.durations import shown
from ...domain.errors import RunnerctlError
from ...domain.models import Backoff, Scope
from ...services import Services

WINDOW_SECONDS = 300.0
_FIRST_SECONDS = 5.0
_MOST_SECONDS = 300.0
_LONGEST_SECONDS = 3600.0
"""Also where GitHub itself says how long."""
_MOST_JITTER = 1.5


def backoff(services: Services, scope: Scope) -> Backoff | None:
    """The one in force there."""
    found = services.store.backoffs(scope)
    return found[0] if found and _in_force(found[0], services.clock.now()) else None


def may_register(services: Services, scope: Scope) -> bool:
    """Whether a registration may be begun there without a command; if so, it is counted."""
    if backoff(services, scope) is not None:
        return False
    most = services.settings.own_registrations
    next_at = services.store.begin_registration(scope, most=most, window=WINDOW_SECONDS)
    if next_at is None:
        return True
    reason = f"{most} automatic registrations were started within {shown(WINDOW_SECONDS)}"
    _back_off(services, scope, next_at - services.clock.now(), tries=0, reason=reason)
    return False


def went_wrong(services: Services, scope: Scope, exc: RunnerctlError) -> None:
    """Nothing is begun there for a while, longer each time."""
    before = services.store.backoffs(scope)
    tries = before[0].tries + 1 if before else 1
    seconds = min(_MOST_SECONDS, _FIRST_SECONDS * 2.0 ** min(tries - 1, 10))
    _back_off(services, scope, max(seconds, exc.retry_after or 0.0), tries=tries, reason=exc.message)


def went_well(services: Services, scope: Scope) -> None:
    if services.store.backoffs(scope):
        services.store.end_backoff(scope)


def held_back(services: Services, scope: Scope | None = None) -> list[str]:
    """What is held back at the moment, there or anywhere, in words."""
    now = services.clock.now()
    return [backoff_text(each, now) for each in services.store.backoffs(scope) if _in_force(each, now)]


def backoff_text(each: Backoff, now: float) -> str:
    return f"Automatic registrations in {each.scope} are paused for {shown(each.until - now)}: {each.reason}"


def _in_force(each: Backoff, now: float) -> bool:
    """One that is longer than any can be was begun before the clock was set back."""
    return now < each.until <= now + _LONGEST_SECONDS * _MOST_JITTER


def _back_off(services: Services, scope: Scope, seconds: float, *, tries: int, reason: str) -> None:
    # Hosts that met the same fault at once must not come back at once.
    seconds = min(seconds, _LONGEST_SECONDS) * services.rng.uniform(1.0, _MOST_JITTER)
    services.store.back_off(scope, until=services.clock.now() + seconds, tries=tries, reason=reason)
    import logging  # a status must be quick

    log = logging.getLogger("runnerctl.core")
    log.warning("automatic registrations in %s are paused for %.0f s: %s", scope, seconds, reason)
