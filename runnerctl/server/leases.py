"""Runners made with ``daemonize: false`` belong to the server and end with it."""

from __future__ import annotations

import logging

from runnerctl import core
from runnerctl.core.domain.errors import RunnerctlError
from runnerctl.core.engine.operation import Operation, Pause
from runnerctl.core.services import Services

from .offload import Offload

log = logging.getLogger("runnerctl.server")

DRAIN_SECONDS = 30.0


async def end(services: Services, offload: Offload) -> None:
    """Drains them up to 30 s, all at the same time; what still works then is interrupted."""
    tasks = [offload.begin(_end(services, runner_id)) for runner_id in services.backend.leased()]
    for task in tasks:
        try:
            await task
        except RunnerctlError as exc:
            log.warning("a runner of this server could not be ended: %s", exc.message)


def _end(services: Services, runner_id: str) -> Operation[None]:
    backend = services.backend
    backend.drain(runner_id)
    gone = yield Pause(runner_id=runner_id, until=lambda: backend.poll(runner_id).gone, seconds=DRAIN_SECONDS)
    backend.release(runner_id)
    if not gone:
        ladder = backend.ladder
        yield Pause(
            runner_id=runner_id,
            until=lambda: backend.poll(runner_id).gone,
            seconds=ladder.interrupt + ladder.terminate + ladder.kill,
        )
    core.reconcile_runner(services, runner_id)
