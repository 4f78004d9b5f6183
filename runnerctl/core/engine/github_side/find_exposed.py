"""Which live runners are of public repositories and may not be: noted in their rows by whoever sweeps."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...domain.errors import RunnerctlError
from . import exposure

if TYPE_CHECKING:
    from ...domain.models import Runner, Scope
    from ...services import Services

log = logging.getLogger("runnerctl.core")


def refresh(services: Services, runners: Iterable[Runner]) -> list[str]:
    """Asks GitHub about each repository at most once an hour; the lives of which that is news.

    What cannot be told now changes nothing.
    """
    by_scope: dict[Scope, list[Runner]] = {}
    found: dict[str, float | None] = {}
    for runner in runners:
        if not exposure.is_allowed(services, runner):
            by_scope.setdefault(runner.scope, []).append(runner)
        elif runner.exposed_at is not None:
            found[runner.id] = None
    answers = services.worker_pool.map(lambda scope: _is_public(services, scope), by_scope)
    for public, runners_there in zip(answers, by_scope.values(), strict=True):
        if public is not None:
            found |= _changed(services, runners_there, public=public)
    if found:
        services.store.note_exposures(found)
    return list(found)


def _is_public(services: Services, scope: Scope) -> bool | None:
    try:
        return services.github.is_public(scope)
    except RunnerctlError as exc:
        log.warning("could not find out whether %s is public: %s", scope, exc.message)
        return None


def _changed(services: Services, runners: Iterable[Runner], *, public: bool) -> dict[str, float | None]:
    changed = [runner for runner in runners if (runner.exposed_at is not None) != public]
    return {runner.id: services.clock.now() if public else None for runner in changed}
