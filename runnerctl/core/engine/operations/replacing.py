"""Runners that lost their registration, or their life, while they waited for a job are made again under their name.

Somebody's job may wait for that name. Each is a registration that no command asked for: the breaker bounds them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ...domain.errors import Forbidden, RunnerBusy, RunnerctlError
from ...domain.models import Runner, RunnerSpec, Scope
from ...domain.states import RunnerState
from ...services import Services
from ..github_side import breaker
from .create import Wait, create_runner
from .operation import finish

log = logging.getLogger("runnerctl.core")

_GIVE_UP_SECONDS = 86400.0
"""GitHub cancels a job that waited so long for its runner."""


def replace_lost(services: Services, *, only: str | None = None) -> Sequence[Runner]:
    """Makes those again whose turn it is, several scopes at a time; returns the new lives. ``only``: of that life.

    What goes wrong leaves its scope alone for a while and is tried again after that. Raises ``ConfigInvalid`` without
    credentials.
    """
    by_scope: dict[Scope, list[Runner]] = {}
    for runner in _due(services):
        if only not in {None, runner.id}:
            continue
        by_scope.setdefault(runner.scope, []).append(runner)
    if not by_scope:
        return ()
    _ = services.github  # that this process has no credentials is no reason for others to wait
    made = services.worker_pool.map(lambda lost: _replace(services, lost), by_scope.values())
    return [runner for runners in made for runner in runners]


def _due(services: Services) -> list[Runner]:
    lost = [services.store.get(runner_id) for runner_id in services.store.replacements()]
    ended = [runner for runner in lost if runner is not None and not runner.live]
    due = []
    for runner in ended:
        if _is_settled(services, runner):
            services.store.forget_replacement(runner.name)
        else:
            due.append(runner)
    return due


def _is_settled(services: Services, runner: Runner) -> bool:
    """Another life bears its name, or one came as far as its start, or somebody ended it; or no job waits any more."""
    latest = services.store.latest(runner.name) or runner
    came_far = latest.id != runner.id and latest.started_at is not None
    too_late = services.clock.now() - (runner.ended_at or runner.changed_at) > _GIVE_UP_SECONDS
    if too_late:
        log.warning("runner %r was not created again in time", runner.name)
    return too_late or came_far or latest.state is not RunnerState.FAILED


def _replace(services: Services, lost: Sequence[Runner]) -> list[Runner]:
    """Those of one scope, one after another, up to the first that goes wrong."""
    made: list[Runner] = []
    for runner in lost:
        if not breaker.may_register(services, runner.scope):
            break
        try:
            made.append(finish(create_runner(services, _spec(runner), wait=Wait.NONE, by="policy replace lost")))
        except RunnerBusy:
            continue  # somebody else is at it
        except Forbidden as exc:  # waiting would not help
            log.warning("runner %r is not created again: %s", runner.name, exc.message)
        except RunnerctlError as exc:
            log.warning("runner %r could not be created again: %s", runner.name, exc.message)
            breaker.went_wrong(services, runner.scope, exc)
            break
        else:
            breaker.went_well(services, runner.scope)
        services.store.forget_replacement(runner.name)
    return made


def _spec(runner: Runner) -> RunnerSpec:
    """What its create asked for; its version is what is offered now, for its own may be too old."""
    return RunnerSpec(
        name=runner.name,
        scope=runner.scope,
        labels=runner.labels,
        ephemeral=runner.ephemeral,
        daemonize=runner.daemonize,
        group=runner.group,
        workdir=runner.workdir,
        tenant=runner.tenant,
        may_be_public=runner.may_be_public,
        env=runner.env,
    )
