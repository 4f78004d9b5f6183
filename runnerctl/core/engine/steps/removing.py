"""The end of a life, whatever brought it about: nothing stays but its log and its history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...domain.errors import BackendFailed, ConfigInvalid, GitHubBusy, GitHubError, RunnerBusy, RunnerctlError
from ...domain.models import Runner
from ...domain.states import Desired, How, RunnerState
from .. import directories, failures
from ..github_side import registration
from ..github_side.orphans import FIRST_RETRY_SECONDS, UNHEARD_SECONDS, deregistered
from ..orphans import finish_orphans

if TYPE_CHECKING:
    from ...backends.base import Left
    from ...services import Services
    from ..making import Making
    from ..plan import Action, Seen

LET_GO = "GitHub had deregistered it when its drain was taken back"
UNHEARD = "Whoever asked for its registration did not live to hear the answer"
BUSY_HINT = "Wait for the job to end, or use {drain} to remove the runner after the job, {force} to cancel the job"


def begin_removal(services: Services, seen: Seen, _: Action, __: Making | None) -> None:
    begin(services, seen.runner)


def begin(services: Services, runner: Runner, **more: Any) -> Runner:
    """Commits that this life is being cleared away, and what it goes back to if GitHub says that a job runs."""
    fresh = {"deadline": None, "settle_until": None, **more}
    return services.store.transition(
        runner,
        RunnerState.REMOVING,
        why=runner.reason if runner.ending is not None else None,
        ending=runner.ending or RunnerState.REMOVED,
        back_to=runner.state,
        **fresh,
    )


def refuse(services: Services, seen: Seen, _: Action, __: Making | None) -> None:
    """What was wanted of it is so again: one that was stopped is not to be started."""
    runner = seen.runner
    says = "GitHub says that runner" if seen.refused else "Runner"
    error = failures.kept(RunnerBusy(f"{says} {runner.name!r} is running a job", hint=BUSY_HINT))
    before = {
        "desired": Desired(runner.back_desired or Desired.RUNNING),
        "how": How.GENTLE,
        "ending": None,
        "last_error": error,
        "due": None,
        "attempts": 0,
    }
    if runner.state is RunnerState.REMOVING and runner.back_to is not None:
        services.store.transition(runner, RunnerState(runner.back_to), why="GitHub says it runs a job", **before)
    else:
        services.store.amend(runner, **before)
    services.store.forget_orphan(runner.id)  # an earlier try may have got no answer


def end(services: Services, seen: Seen, action: Action, _: Making | None) -> None:
    """Commits how this life ends. An ephemeral runner that did its job was deregistered by GitHub."""
    assert action.state is not None  # noqa: S101 - that step carries one
    done = {"deregistered_at": services.clock.now()} if action.state is RunnerState.COMPLETED else {}
    services.store.transition(
        seen.runner,
        RunnerState.REMOVING,
        why=action.reason,
        reason=action.reason,
        ending=action.state,
        desired=Desired.GONE,
        how=How.GENTLE,
        back_to=seen.runner.state,
        back_desired=seen.runner.desired,
        deadline=None,
        settle_until=None,
        **done,
    )


def replace(services: Services, seen: Seen, action: Action, making: Making | None) -> None:
    if services.settings.replace_lost:
        services.store.keep_replacement(seen.runner)
    end(services, seen, action, making)


def deregister(services: Services, seen: Seen, _: Action, __: Making | None) -> None:
    """Asks GitHub to let go. Where no process is left, what cannot be done now is kept, and the life ends."""
    runner = seen.runner
    try:
        certain = registration.delete(services, runner)
    except (GitHubError, ConfigInvalid) as exc:
        # Without credentials the local part is done all the same; whoever has some clears the rest.
        if not _is_waited_for(seen) or (isinstance(exc, ConfigInvalid) and seen.processes.gone):
            services.store.keep_orphan(runner, reason=exc.message, seconds=_seconds_until_next_try(exc))
            return
        if not isinstance(exc, ConfigInvalid | GitHubBusy):
            services.store.keep_orphan(runner, reason=exc.message)
        raise
    noted = services.store.note(runner.id, **deregistered(services, runner))
    if noted.desired is not Desired.GONE:  # taken back while GitHub was asked, which has let go of it all the same
        services.store.want(runner.id, desired=Desired.GONE, how=runner.how, by="its removal", reason=LET_GO)
    services.store.forget_orphan(runner.id)
    if not certain and _was_unheard(runner):
        services.store.keep_orphan(runner, reason=UNHEARD, seconds=UNHEARD_SECONDS)


def _seconds_until_next_try(exc: RunnerctlError) -> float:
    """GitHub has been asked just now, and nobody waits for it any more."""
    return 0.0 if isinstance(exc, ConfigInvalid) else exc.retry_after or FIRST_RETRY_SECONDS


def _was_unheard(runner: Runner) -> bool:
    """Whoever asked was interrupted or killed; who lived to hear an error has looked for what came of it."""
    return runner.last_error is None or runner.last_error.kind == RunnerctlError.__name__


def _is_waited_for(seen: Seen) -> bool:
    """Processes that live are left alone until GitHub has let go; and whoever asked without force is told."""
    removed = seen.runner.ending in {None, RunnerState.REMOVED} and seen.runner.how is not How.NOW
    return not seen.processes.gone or removed


def clear_orphan(services: Services, seen: Seen, _: Action, __: Making | None) -> None:
    finish_orphans(services, only=seen.runner.id)


def end_life(services: Services, seen: Seen, action: Action, _: Making | None) -> None:
    """What takes its time to go is looked at again, soon at first. A directory that would not go becomes an orphan.
    Raises ``BackendFailed`` when something may still be in use; the row then stays for another try.
    """
    runner = seen.runner
    backend, handle = services.backends.reach(runner)
    backend.kill(handle)
    left = backend.cleanup(handle)
    if any(each.path is None for each in left):
        _put_off(services, runner, left)
        return
    note = None
    if left:
        note = directories.keep(services, runner, left[0])
    else:
        directories.forget(services, runner)
    assert action.state is not None  # noqa: S101 - that step carries one
    services.store.transition(
        runner,
        action.state,
        why="; ".join(filter(None, (runner.reason, note))) or None,
        reason=runner.reason or note,
        due=None,
    )


def _put_off(services: Services, runner: Runner, left: Sequence[Left]) -> None:
    attempts = runner.attempts + 1
    seconds = failures.soon(attempts) if all(each.going for each in left) else None
    if seconds is not None:
        services.store.note(runner.id, attempts=attempts, due=services.clock.now() + seconds)
        return
    if all(each.going for each in left):
        services.store.note(runner.id, attempts=0)  # it is said, and then looked at as often again
    raise BackendFailed("; ".join(each.message for each in left), hint=left[0].hint)
