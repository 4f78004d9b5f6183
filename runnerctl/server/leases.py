"""Runners made with ``daemonize: false`` belong to the server and end with it."""

from __future__ import annotations

import logging

from runnerctl import core
from runnerctl.core.domain.errors import RunnerctlError
from runnerctl.core.domain.models import Runner
from runnerctl.core.engine.operation import Operation, Pause
from runnerctl.core.services import Services

from .offload import Offload

log = logging.getLogger("runnerctl.server")

DRAIN_SECONDS = 30.0


async def end(services: Services, offload: Offload) -> None:
    """Drains them up to 30 s, all at the same time; what still works then is interrupted."""
    lives = [services.store.get(runner_id) for backend in services.backends for runner_id in backend.leased()]
    tasks = [offload.begin(_end(services, runner)) for runner in lives if runner is not None and runner.live]
    for task in tasks:
        try:
            await task
        except RunnerctlError as exc:
            log.warning("a runner of this server could not be ended: %s", exc.message)


def _end(services: Services, runner: Runner) -> Operation[None]:
    backend, handle = services.backends.reach(runner)
    backend.drain(handle)
    gone = yield Pause(runner_id=runner.id, until=lambda: backend.observe(handle).gone, seconds=DRAIN_SECONDS)
    backend.release(handle)
    if not gone:
        ladder = backend.ladder
        yield Pause(
            runner_id=runner.id,
            until=lambda: backend.observe(handle).gone,
            seconds=ladder.interrupt + ladder.terminate + ladder.kill,
        )
    core.reconcile_runner(services, runner.id)
