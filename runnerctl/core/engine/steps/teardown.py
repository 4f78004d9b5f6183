"""The end of a life, whatever brought it about: nothing stays but its log and its history."""

from __future__ import annotations

from ...domain.errors import BackendFailed
from ...domain.models import Runner
from ...domain.states import Desired, RunnerState
from ...services import Services
from .registration import deregister_or_keep_task


def begin(services: Services, runner: Runner, ending: RunnerState, *, reason: str | None = None) -> Runner:
    """Commits that this life ends, and how. A removal that began already keeps its own ending."""
    if runner.state is RunnerState.REMOVING:
        return runner
    # An ephemeral runner that did its job was deregistered by GitHub: asking again would be a second call.
    gone = {"deregistered_at": services.clock.now()} if ending is RunnerState.COMPLETED else {}
    return services.store.transition(
        runner, RunnerState.REMOVING, why=reason, reason=reason, ending=ending, desired=Desired.GONE, **gone
    )


def clear(services: Services, runner: Runner) -> Runner:
    """Takes a runner in ``removing`` to its end. Every step may have been done before.

    Raises ``BackendFailed`` when a process or a mount would not go; the row then stays for another try.
    """
    backend, handle = services.backends.reach(runner)
    backend.kill(handle)
    runner = deregister_or_keep_task(services, runner)
    if left := backend.cleanup(handle):
        raise BackendFailed("; ".join(each.message for each in left), hint=left[0].hint)
    return services.store.transition(runner, runner.ending or RunnerState.REMOVED, why=runner.reason)
