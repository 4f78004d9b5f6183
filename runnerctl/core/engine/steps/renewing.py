"""What GitHub's word about a runner leads to: another version, or its end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...domain.models import Runner
from ...domain.states import RunnerState
from .. import failures, registration, renewal
from ..plan import Action
from ..table import Step
from .recording import mark_stopped
from .removing import end
from .running import launch

if TYPE_CHECKING:
    from ...services import Services
    from ..making import Making
    from ..plan import Seen


def confirm(services: Services, seen: Seen, action: Action, making: Making | None) -> None:
    """A list may be wrong for a while: what is persistent is not deleted on its word. Raises ``GitHubError``."""
    if registration.exists(services, seen.runner):
        services.store.note_absences({}, seen=[seen.runner.id])
    else:
        end(services, seen, action, making)


def renew(services: Services, seen: Seen, _: Action, making: Making | None) -> None:
    """It gets the version that is offered and is started again. If nothing newer is offered, that is an outage: it
    keeps its registration and is tried again, less and less often."""
    runner = seen.runner
    offered = renewal.newer_package(services, runner)
    if isinstance(offered, str):
        _refused(services, seen, offered, making)
        return
    version, handle = renewal.upgraded(services, runner, offered)
    why = f"Updated from {runner.version} to {version}: GitHub refused the older"
    renewed = services.store.amend(runner, version=version, handle=handle)
    launch(services, _of(seen, renewed), Action(Step.LAUNCH, reason=why), making)


def _refused(services: Services, seen: Seen, reason: str, making: Making | None) -> None:
    runner = seen.runner
    if runner.ephemeral and runner.due is None:
        attempts = runner.attempts + 1
        due = services.clock.now() + failures.pause(attempts)
        starting = () if runner.state is RunnerState.STARTING else (RunnerState.STARTING,)
        services.store.transition(runner, *starting, why=reason, reason=reason, attempts=attempts, due=due)
    elif runner.ephemeral or runner.state is RunnerState.STOPPED:
        launch(services, seen, Action(Step.LAUNCH, reason=reason), making)
    else:
        mark_stopped(services, seen, Action(Step.MARK_STOPPED, reason=reason), making)


def _of(seen: Seen, runner: Runner) -> Seen:
    return replace(seen, runner=runner)
