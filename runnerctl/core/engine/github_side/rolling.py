"""Runners whose version ends soon get the one that GitHub offers, while they are idle and a few at a time.

It is a policy like any other: it wants a restart of one runner, and the engine finishes its job, gives it the newer
package and starts it again (``steps/renewing.py``). The next one follows when that one is back: a newer version that
does not run here stops at the first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...domain.errors import RunnerctlError
from ...domain.models import Runner, Scope
from ...domain.observation import Phase
from ...domain.states import SERVING, Desired, How, RunnerState
from ...packages import version_policy
from ...packages.releases import LATEST
from ...packages.version_policy import is_newer
from .. import routed
from ..failures import NotNow
from ..plan import RENEWAL, is_wished
from . import breaker, packages, version_ends

if TYPE_CHECKING:
    from ...packages.store import Package
    from ...services import Services

log = logging.getLogger("runnerctl.core")

_LONG_SECONDS = 600.0
"""A job that takes longer holds up nobody else's renewal."""
_BUSY_DAYS = 7
"""So long before the end one that is never found idle is told to restart after its job."""
_SHARE = 10
"""One of so many is renewed at a time, and at least one."""


def renew_ahead(services: Services, runners: Iterable[Runner]) -> list[Runner]:
    """Asks GitHub when versions end, where that is due; returns those that are to restart now."""
    runners = list(runners)
    version_ends.refresh(services, runners)
    by_scope: dict[Scope, list[Runner]] = {}
    for runner in runners:
        by_scope.setdefault(runner.scope, []).append(runner)
    room = max(1, len(runners) // _SHARE) - sum(_is_under_way(services, runner) for runner in runners)
    begun: list[Runner] = []
    for scope, those in by_scope.items():
        if len(begun) < room and (chosen := _next(services, scope, those)) is not None:
            begun.append(chosen)
    return begun


def is_pinned(services: Services, runner: Runner) -> bool:
    """The settings name that very version."""
    return bool(services.settings.defaults.version == runner.version)


def _next(services: Services, scope: Scope, runners: Sequence[Runner]) -> Runner | None:
    aging = [runner for runner in runners if _is_due(services, runner)]
    if not aging or any(_is_under_way(services, runner) for runner in runners):
        return None
    if breaker.backoff(services, scope) is not None or (package := _offered(services, scope)) is None:
        return None
    older = [runner for runner in aging if is_newer(package.version, runner.version)]
    chosen = _first(services, older)
    return None if chosen is None else _wanted(services, chosen, package)


def _is_due(services: Services, runner: Runner) -> bool:
    counts = runner.desired is Desired.RUNNING and runner.daemonize and runner.exposed_at is None
    if not counts or runner.state not in SERVING or is_pinned(services, runner):
        return False
    end = version_ends.end_of_runner(services, runner)
    return end is not None and version_policy.ends_soon(end, services.clock.now())


def _first(services: Services, aging: Sequence[Runner]) -> Runner | None:
    """Who has been idle the longest; a busy one only when time is short. A job of an ephemeral one is its last."""
    longest = sorted(aging, key=lambda runner: runner.changed_at)
    idle = (runner for runner in longest if runner.state is RunnerState.IDLE and _listens(services, runner))
    busy = (runner for runner in longest if not runner.ephemeral and _is_urgent(services, runner))
    return next(idle, None) or next(busy, None)


def _listens(services: Services, runner: Runner) -> bool:
    """Its row may lag behind: without a server a job's start is written down by nobody."""
    try:
        return routed.observe(services, runner).phase is Phase.LISTENING
    except RunnerctlError:
        return False


def _is_urgent(services: Services, runner: Runner) -> bool:
    end = version_ends.end_of_runner(services, runner)
    days = None if end is None else end.days_left(services.clock.now())
    return days is not None and days < _BUSY_DAYS


def _is_under_way(services: Services, runner: Runner) -> bool:
    """It was told to restart just now; or it was started anew and is not back yet, however long that takes."""
    if runner.wanted_by != RENEWAL:
        return False
    if is_wished(runner):
        return abs(services.clock.now() - (runner.wanted_at or 0.0)) < _LONG_SECONDS
    return runner.state not in SERVING


def _offered(services: Services, scope: Scope) -> Package | None:
    """What GitHub offers there, on this host before anything is stopped for it; None if that is not to be had now."""
    question = f"offer {scope}"
    newest = packages.at_hand(services, scope, LATEST)
    if newest is not None or not services.told_ends.is_due(question):
        return newest
    try:
        return packages.offered(services, scope, fresh=False)
    except NotNow:
        return None
    except RunnerctlError as exc:
        log.warning("a newer runner package could not be fetched for %s: %s", scope, exc.message)
        services.told_ends.put_off(question)
        return None


def _wanted(services: Services, runner: Runner, package: Package) -> Runner:
    reason = f"Version {runner.version} ends soon: it is renewed to {package.version}"
    return services.store.want_restart(runner.id, how=How.DRAIN, by=RENEWAL, reason=reason, wants=runner.wants)
