"""One row brought up to date by whoever asks for that one: ``runnerctl reap``, and commands that saw it end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..domain.models import Runner
from .drive import drive

if TYPE_CHECKING:
    from ..services import Services


def reconcile_runner(services: Services, runner_id: str, *, wait: float = 30.0) -> Runner | None:
    """Takes its steps now; a life that has ended is left alone. None if it never was.

    Raises ``RunnerBusy`` when its row stays held for ``wait`` seconds, and what a step met.
    """
    progress = drive(services, runner_id, wait=wait)
    if progress.error is not None:
        raise progress.error
    return services.store.get(runner_id)
