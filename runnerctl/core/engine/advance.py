"""Taking a row's steps, one after another, until there is nothing to be done now.

Each is decided from a fresh row under that row's lock, and written by its revision: whoever else acts on the same row
meanwhile makes the writer look again, and never act on what is not so any more.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..domain.errors import ConfigInvalid, InvalidTransition, RunnerctlError
from ..domain.models import Runner
from ..domain.states import UNLAUNCHED, Desired, How, RunnerState
from ..host.row_locks import row_lock
from . import failures, observing
from .failures import NotNow
from .github_side.tenant_calls import charged_to
from .making import Making
from .plan import Action, Seen, plan
from .steps.acts import ACTS, ASKED_SELDOM, HEARD_LATER, IDLE, UNLOCKED
from .steps.job_rows import note_jobs
from .table import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..services import Services

_MOST_STEPS = 40
"""No life needs so many in a row: rather an error than a circle."""
HEARD_SECONDS = 0.2
"""After a step that the processes take a moment to show."""
_NOT_NOW_SECONDS = 5.0
"""After a step that met somebody at work on what it needs, if nobody waits for that."""
_AWAITED_SECONDS = (0.1, 0.5)
"""The same for one that is being made: at first, and after a while."""


@dataclass(kw_only=True)
class Progress:
    """How far a row came."""

    runner: Runner | None
    """None if there is no such row."""
    taken: list[Action] = field(default_factory=list)
    next: Action | None = None
    """What was not taken: there is nothing to be done now, or it is not ours to take. None when the life has ended."""
    seconds: float | None = None
    """When another look is due, if time alone changes anything."""
    error: RunnerctlError | None = None
    """What the last step met. It is in the row, too."""
    not_now: bool = False
    """``next`` needs what somebody else has in hands, and is tried again after ``seconds``."""


def advance(
    services: Services,
    runner_id: str,
    *,
    absences: Callable[[Runner], int] | None = None,
    making: Making | None = None,
    may: Callable[[Runner, Action], bool] = lambda _runner, _action: True,
) -> Progress:
    """Takes the steps of that row that can be taken now and that ``may`` allows.

    ``absences``: in how many listings in a row GitHub did not list it. ``making``: who makes it holds its lock already.
    Raises ``RowHeld`` when somebody else is at work on it, ``BackendFailed`` when it cannot be looked at.
    """
    progress = Progress(runner=None)
    for _ in range(_MOST_STEPS):
        with nullcontext() if making else row_lock(services.row_locks, runner_id):
            seen = _look(services, runner_id, absences, making)
            if seen is None:
                progress.runner, progress.next = None, None
                return progress
            note_jobs(services, seen)
            action = plan(seen, now=observing.now(services), deadlines=observing.deadlines(services))
            progress.runner, progress.next = seen.runner, action if seen.runner.live else None
            if _is_left(progress, action, allowed=may(seen.runner, action)):
                return progress
            if action.step not in UNLOCKED:
                try:
                    progress.error = _take(services, seen, action, making)
                except NotNow as exc:
                    progress.not_now, progress.seconds = True, _seconds_until_again(services, exc, making)
                    return progress
        if action.step in UNLOCKED:
            progress.error = _take(services, seen, action, making)
        progress.taken.append(action)
        if action.step is Step.CONFIRM and not _moved(services, seen.runner):
            absences = None  # GitHub has been asked about this very one
        services.runner_events.notify(runner_id)
        if progress.error is not None:
            progress.runner, progress.seconds = services.store.get(runner_id), 0.0
            return progress
        if action.step in HEARD_LATER:
            progress.runner, progress.seconds = services.store.get(runner_id), HEARD_SECONDS
            return progress
    raise RunnerctlError(f"Runner {runner_id} repeats the same steps: {[each.step for each in progress.taken[-6:]]}")


def _is_left(progress: Progress, action: Action, *, allowed: bool) -> bool:
    """There is nothing to be done now, or it is not ours; what was killed just now may take a moment to be gone."""
    killed = action.step is Step.KILL and bool(progress.taken) and progress.taken[-1].step is Step.KILL
    asked_again = not allowed and action.step in ASKED_SELDOM
    progress.seconds = HEARD_SECONDS if killed or asked_again else action.until
    return killed or action.step in IDLE or not allowed


def _look(
    services: Services, runner_id: str, absences: Callable[[Runner], int] | None, making: Making | None
) -> Seen | None:
    runner = services.store.get(runner_id)
    if runner is None:
        return None
    if not runner.live:
        return observing.of_ended(services, runner)
    missed = absences(runner) if absences is not None else 0
    return observing.observe(services, runner, absences=missed, driven=making is not None)


def _take(services: Services, seen: Seen, action: Action, making: Making | None) -> RunnerctlError | None:
    try:
        with (
            charged_to(services, seen.runner.tenant),
            failures.one_runners_own(seen.runner),
            _metered(services, action),
        ):
            ACTS[action.step](services, seen, action, making)
    except NotNow as exc:
        if making is None or making.met_for(str(exc), services.clock.monotonic()) < exc.patience:
            raise
        give_up(services, seen.runner, exc.error)
        return exc.error
    except RunnerctlError as exc:
        if isinstance(exc, InvalidTransition) and _moved(services, seen.runner):
            return None  # somebody changed the row meanwhile, or what is wanted of it: it is looked at again
        _remember(services, seen.runner, exc, being_made=_is_made(seen, making))
        return exc
    except BaseException as exc:
        if _is_made(seen, making):
            give_up(services, seen.runner, exc)
        raise
    if making is not None:
        making.goes_on()
    return None


@contextmanager
def _metered(services: Services, action: Action) -> Iterator[None]:
    """One that met somebody at work, on what it needs or on the row, has not failed."""
    began, failed = services.clock.monotonic(), True
    try:
        yield
        failed = False
    except (NotNow, InvalidTransition):
        failed = False
        raise
    finally:
        services.meter.step(action.step, failed=failed, seconds=services.clock.monotonic() - began)


def _seconds_until_again(services: Services, met: NotNow, making: Making | None) -> float:
    if making is None:
        return _NOT_NOW_SECONDS
    least, most = _AWAITED_SECONDS
    return min(most, max(least, making.met_for(str(met), services.clock.monotonic()) / 10))


def _moved(services: Services, runner: Runner) -> bool:
    current = services.store.get(runner.id)
    return current is None or (current.revision, current.wants) != (runner.revision, runner.wants)


def _is_made(seen: Seen, making: Making | None) -> bool:
    state, started_at = seen.runner.state, seen.runner.started_at
    return making is not None and (state in UNLAUNCHED or (state is RunnerState.STARTING and started_at is None))


def _remember(services: Services, runner: Runner, exc: RunnerctlError, *, being_made: bool) -> None:
    """In the row, for whoever waits for it; one whose making failed is to go."""
    if being_made:
        give_up(services, runner, exc)
    elif not isinstance(exc, ConfigInvalid):  # that this process has no credentials is no reason for others to wait
        attempts = (services.store.get(runner.id) or runner).attempts + 1
        due = services.clock.now() + failures.pause(attempts, exc)
        services.store.note(runner.id, attempts=attempts, due=due, last_error=failures.kept(exc))


def give_up(services: Services, runner: Runner, exc: BaseException) -> None:
    """What was made of it goes again, and its life ends in ``failed`` with that reason."""
    known = exc if isinstance(exc, RunnerctlError) else RunnerctlError(f"Interrupted by {type(exc).__name__}")
    try:
        wanted = services.store.want(
            runner.id,
            desired=Desired.GONE,
            how=How.NOW,
            by="its creation",
            ending=RunnerState.FAILED,
            reason=known.message,
        )
        # Whoever has begun to remove it before is not told of its making.
        if wanted.ending is RunnerState.FAILED and wanted.reason == known.message:
            services.store.note(runner.id, last_error=failures.kept(known))
    except RunnerctlError:
        backend, handle = services.backends.reach(runner)
        backend.kill(handle)  # it cannot be written down, but what was refused must not run
        raise
