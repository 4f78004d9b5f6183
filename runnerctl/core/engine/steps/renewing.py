"""What GitHub's word about a runner leads to: another version, or its end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...domain.errors import RunnerctlError
from ...domain.models import Runner
from ...domain.states import RunnerState
from .. import failures
from ..github_side import registration, renewal
from ..plan import Action, is_renewing
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
    if is_renewing(runner):
        _renew_ahead(services, seen, making)
        return
    offered = renewal.newer_package(services, runner)
    if isinstance(offered, str):
        _refused(services, seen, offered, making)
        return
    version, handle = renewal.upgraded(services, runner, offered)
    why = f"Updated from {runner.version} to {version}: GitHub refused the older"
    renewed = services.store.amend(runner, version=version, handle=handle)
    launch(services, _of(seen, renewed), Action(Step.LAUNCH, reason=why), making)


def _renew_ahead(services: Services, seen: Seen, making: Making | None) -> None:
    """Its version still does: if it cannot be given the newer one, it goes on with what it has. Raises ``NotNow``."""
    runner = seen.runner
    offered = renewal.package_ahead(services, runner)
    renewed, why = runner, None
    if offered is not None:
        try:
            version, handle = renewal.upgraded(services, runner, offered)
        except RunnerctlError as exc:
            why = f"It goes on with version {runner.version}: {exc.message}"
        else:
            why = f"Updated from {runner.version} to {version}: the older ends soon"
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
