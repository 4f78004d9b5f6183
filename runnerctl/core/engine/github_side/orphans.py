"""Registrations that could not be deleted when their runner went: tried again, less and less often.

Several at a time; a scope that cannot be asked holds up no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

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
_RETRY_SECONDS = (FIRST_RETRY_SECONDS, 60.0, 300.0, 900.0, LONGEST_WAIT)


class Cleared(NamedTuple):
    released: Sequence[Runner]
    """Those whose removal waited for it and can go on."""
    failures: Sequence[tuple[Orphan, RunnerctlError]]


def finish_orphans(services: Services, *, only: str | None = None, early: bool = False) -> Sequence[Runner]:
    """See ``clear_orphans``; returns the runners whose removal waited for it and can go on."""
    return clear_orphans(services, only=only, early=early).released


def clear_orphans(services: Services, *, only: str | None = None, early: bool = False) -> Cleared:
    """Tries each orphan task that is due once.

    ``only``: that of one life, whether due or not; ``early``: all, whether due or not.
    """
    due_at = services.clock.now() if only is None and not early else None
    tasks = [task for task in services.store.orphans(due_at=due_at) if only in {None, task.runner_id}]
    if not tasks:
        return Cleared((), ())
    first = {task.scope: task for task in reversed(tasks)}
    rest = [task for task in tasks if task is not first[task.scope]]
    each = services.worker_pool.map
    met = dict(zip(first, each(lambda task: _try(services, task), first.values()), strict=True))
    then = each(lambda task: _try_unless(services, task, met[task.scope]), rest)
    errors = zip([*first.values(), *rest], [*met.values(), *then], strict=True)
    return Cleared(
        [runner for task in tasks if (runner := _waiting(services, task)) is not None],
        [(task, error) for task, error in errors if error is not None],
    )


def _try_unless(services: Services, task: Orphan, met: RunnerctlError | None) -> RunnerctlError | None:
    """Not where the first of its scope met what this one would meet as well."""
    if isinstance(met, GitHubUnavailable | GitHubRateLimited | ConfigInvalid):
        _postpone(services, task, met)
        return met
    return _try(services, task)


def _try(services: Services, task: Orphan) -> RunnerctlError | None:
    try:
        _clear(services, task)
    except RunnerctlError as exc:
        _postpone(services, task, exc)
        return exc
    return None


def _postpone(services: Services, task: Orphan, exc: RunnerctlError) -> None:
    wait = exc.retry_after or _RETRY_SECONDS[min(task.tries, len(_RETRY_SECONDS) - 1)]
    services.store.postpone_orphan(task, until=services.clock.now() + wait)


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


def _clear(services: Services, task: Orphan) -> None:
    runner = services.store.get(task.runner_id)
    if runner is not None and runner.live and not _is_to_go(runner):
        services.store.forget_orphan(task.runner_id)  # its removal was taken back
        return
    if runner is not None and runner.live and _is_working(services, runner):
        raise RunnerBusy(f"Runner {task.name!r} is running a job")
    github_id = task.github_id
    if github_id is None and not _is_taken_over(services, task):
        github_id = find_ours(services, scope=task.scope, name=task.name, labels=task.labels)
        if github_id is not None and _is_taken_over(services, task):
            github_id = None  # a later life was registered while GitHub was asked
    if github_id is not None:
        services.github.delete_runner(task.scope, github_id)
    services.store.forget_orphan(task.runner_id)
    if runner is not None and runner.deregistered_at is None:
        services.store.note(runner.id, **deregistered(services, runner))


def _is_to_go(runner: Runner) -> bool:
    return runner.desired is Desired.GONE or runner.state is RunnerState.REMOVING


def _is_working(services: Services, runner: Runner) -> bool:
    backend, handle = services.backends.reach(runner)
    return backend.working(handle)


def _is_taken_over(services: Services, task: Orphan) -> bool:
    """A later life bears that name at GitHub: nothing else can, and what looks like the orphan is that one's."""
    current = services.store.latest(task.name)
    if current is None or not current.live or not current.scope.same_as(task.scope):
        return False
    if not current.registered:
        raise RunnerBusy(f"Runner {task.name!r} is still being created")
    return True


def _waiting(services: Services, task: Orphan) -> Runner | None:
    runner = services.store.get(task.runner_id)
    waits = runner is not None and runner.state is RunnerState.REMOVING and runner.deregistered_at is not None
    return runner if waits else None
