"""What follows when a supervisor has ended and no server heard of it."""

from __future__ import annotations

from ..services import Services
from .operations.replacing import replace_lost
from .orphans import finish_orphans
from .restarts import wait_and_restart


def reap(services: Services, runner_id: str) -> None:
    """Brings that row up to date; started again, or made again, is what is to run and nobody else would see to.

    Raises what the last try raised.
    """
    before = services.store.get(runner_id)
    wait_and_restart(services, runner_id)
    finish_orphans(services, only=runner_id)
    # Whoever has begun to end its life before us goes on with what follows.
    if before is not None and before.live and before.ending is None:
        replace_lost(services, only=runner_id)
