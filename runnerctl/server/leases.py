"""Runners made with ``daemonize: false`` belong to the server and end with it."""

from __future__ import annotations

import logging

from runnerctl.core import Operation, Services, has_job
from runnerctl.core.domain.errors import RunnerctlError
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.states import Desired, How

from .offload import Offload

log = logging.getLogger("runnerctl.server")

DRAIN_SECONDS = 30.0
_BY = "server stop"


async def end(services: Services, offload: Offload) -> None:
    """Drains them up to 30 s, all at the same time; what still works then is interrupted."""
    leased = [services.store.get(runner_id) for backend in services.backends for runner_id in backend.leased()]
    runners = [runner for runner in leased if runner is not None and runner.live]
    for task in [offload.begin(EndLeased(services, runner)) for runner in runners]:
        try:
            await task
        except RunnerctlError as exc:
            log.warning("a runner of this server could not be ended: %s", exc.message)


class EndLeased(Operation[Runner]):
    """Its outcome is the runner, removed or given up."""

    def __init__(self, services: Services, runner: Runner) -> None:
        super().__init__(services)
        self.runner_id = runner.id
        self._runner = runner
        self._drained_until = services.clock.monotonic() + DRAIN_SECONDS
        ladder = services.ladder
        self._given_up_at = self._drained_until + ladder.interrupt + ladder.terminate + ladder.kill
        self._interrupted = False

    def begin(self) -> None:
        self._want(How.DRAIN if has_job(self.services, self._runner) else How.GENTLE)

    def _want(self, how: How) -> None:
        self.services.store.want(self._runner.id, desired=Desired.GONE, how=how, by=_BY)

    def outcome(self) -> Runner | None:
        runner = self.services.store.get(self._runner.id) or self._runner
        now = self.services.clock.monotonic()
        if not runner.live or now >= self._given_up_at:
            return runner
        if runner.desired is not Desired.GONE:
            self._want(How.DRAIN)  # a job came just then
        if now >= self._drained_until and not self._interrupted:
            self._interrupted = True
            self._want(How.NOW)
            backend, handle = self.services.backends.reach(runner)
            backend.release(handle)
        return None
