"""Registrations that could not be deleted when their runner went: tried again, less and less often.

Several at a time; a scope that cannot be asked holds up no other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...domain.errors import (
    BackendFailed,
    ConfigInvalid,
    GitHubRateLimited,
    GitHubUnavailable,
    RunnerBusy,
    RunnerctlError,
)
from ...domain.models import Orphan, Runner
from ...domain.states import Desired, How, RunnerState
from ...services import Services
from ...store.orphans import LONGEST_WAIT
from .registration import find_ours

FIRST_RETRY_SECONDS = 30.0
UNHEARD_SECONDS = 30.0
"""By then GitHub has made what it was asked for, or never will, whatever became of whoever asked."""
_RETRY_SECONDS = (FIRST_RETRY_SECONDS, 60.0, 300.0, 900.0, LONGEST_WAIT)


def clear_registrations(
    services: Services, orphans: Sequence[Orphan]
) -> Sequence[tuple[Orphan, RunnerctlError | None]]:
    """Tries each once; with what it met."""
    first = {orphan.scope: orphan for orphan in reversed(orphans)}
    rest = [orphan for orphan in orphans if orphan is not first[orphan.scope]]
    each = services.worker_pool.map
    met = dict(zip(first, each(lambda orphan: _try(services, orphan), first.values()), strict=True))
    then = each(lambda orphan: _try_unless(services, orphan, met[orphan.scope]), rest)
    return list(zip([*first.values(), *rest], [*met.values(), *then], strict=True))


def _try_unless(services: Services, orphan: Orphan, met: RunnerctlError | None) -> RunnerctlError | None:
    """Not where the first of its scope met what this one would meet as well."""
    if isinstance(met, GitHubUnavailable | GitHubRateLimited | ConfigInvalid):
        postpone(services, orphan, met)
        return met
    return _try(services, orphan)


def _try(services: Services, orphan: Orphan) -> RunnerctlError | None:
    try:
        _clear(services, orphan)
    except RunnerctlError as exc:
        postpone(services, orphan, exc)
        return exc
    return None


def postpone(services: Services, orphan: Orphan, exc: RunnerctlError) -> None:
    """Its next try is due later, and later each time."""
    wait = exc.retry_after or _RETRY_SECONDS[min(orphan.tries, len(_RETRY_SECONDS) - 1)]
    services.store.postpone_orphan(orphan, until=services.clock.now() + wait)


def deregistered(services: Services, runner: Runner) -> dict[str, Any]:
    """What is so once GitHub has let go of it. A job that was handed over just before may turn up for a while."""
    seconds = services.settings.drain_settle if runner.how is How.DRAIN else services.settings.remove_settle
    return {
        "deregistered_at": services.clock.now(),
        "github_status": None,
        "github_busy": None,
        "attempts": 0,
        "settle_until": services.clock.boottime() + seconds if _may_have_a_job(services, runner) else None,
        "boot_id": services.clock.boot_id(),
    }


def _may_have_a_job(services: Services, runner: Runner) -> bool:
    """Looked at behind GitHub's answer: it may have come online while that was waited for."""
    backend, handle = services.backends.reach(runner)
    try:
        seen = backend.observe(handle)
    except BackendFailed:
        return True
    return seen.running is None or (seen.running and seen.online_at is not None)


def _clear(services: Services, orphan: Orphan) -> None:
    runner = services.store.get(orphan.runner_id)
    if runner is not None and runner.live and not _is_to_go(runner):
        services.store.forget_orphan(orphan.runner_id)  # its removal was taken back
        return
    if runner is not None and runner.live and _is_working(services, runner):
        raise RunnerBusy(f"Runner {orphan.name!r} is running a job")
    github_id = orphan.github_id
    if github_id is None and not _is_taken_over(services, orphan):
        github_id = find_ours(services, scope=orphan.scope, name=orphan.name, labels=orphan.labels)
        if github_id is None:
            _check_that_none_can_come(services, orphan, runner)
        elif _is_taken_over(services, orphan):
            github_id = None  # a later life was registered while GitHub was asked
    if github_id is not None:
        services.github.delete_runner(orphan.scope, github_id)
    services.store.forget_orphan(orphan.runner_id)
    if runner is not None and runner.deregistered_at is None:
        services.store.note(runner.id, **deregistered(services, runner))


def _check_that_none_can_come(services: Services, orphan: Orphan, runner: Runner | None) -> None:
    """Somebody may ask before it is due: a registration that was asked for just now may still be made."""
    asked_at = None if runner is None else runner.asked_at
    left = (asked_at or orphan.created_at) + UNHEARD_SECONDS - services.clock.now()
    if 0 < left <= UNHEARD_SECONDS:
        raise RunnerBusy(
            f"GitHub does not know runner {orphan.name!r}, but may still be making it",
            hint=f"It is looked for again in {math.ceil(left)} s",
            retry_after=left,
        )


def _is_to_go(runner: Runner) -> bool:
    return runner.desired is Desired.GONE or runner.state is RunnerState.REMOVING


def _is_working(services: Services, runner: Runner) -> bool:
    backend, handle = services.backends.reach(runner)
    return backend.working(handle)


def _is_taken_over(services: Services, orphan: Orphan) -> bool:
    """A later life bears that name at GitHub: nothing else can, and what looks like the orphan is that one's."""
    current = services.store.latest(orphan.name)
    if current is None or not current.live or not current.scope.same_as(orphan.scope):
        return False
    if not current.registered:
        raise RunnerBusy(f"Runner {orphan.name!r} is still being created")
    return True
