"""What is to be done about one runner, decided from what is known of it; nothing is touched here.

What could not be observed is unknown, and nothing is done because of it. GitHub's word alone ends a runner only
when it said twice, a minute apart, that there is none, and no job runs here. A persistent one is ended by a command or
by the loss of its registration, and by nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ..domain.durations import shown
from ..domain.models import Runner
from ..domain.observation import Observation, Outcome
from ..domain.observed_state import observed_state
from ..domain.states import UNLAUNCHED, Desired, RunnerState
from . import restarting

S = RunnerState

WAS_STOPPED = "It was stopped"
_LOST = "GitHub does not know it any more"
_EXPOSED = "Its repository has become public, and runners of public repositories are not allowed"
CRASH_LOOP_SECONDS = 60.0
"""A persistent runner that died sooner after its start is not started again at once."""


class Step(StrEnum):
    KEEP = "keep"
    RECORD_STATE = "note"
    """Write down the state that was observed."""
    ADOPT = "adopt"
    """Its supervisor is dead and its processes live: give them a new one."""
    DRAIN = "drain"
    """The command that stops it is gone, and never came to ask for that."""
    DRAIN_EXPOSED = "withdraw"
    """Its repository has become public, and it may not serve it: no more jobs."""
    STOP = "stop"
    """Its stop took too long: kill what is left."""
    RECORD_REASON = "explain"
    """Write down why it is not as it should be."""
    MARK_STOPPED = "rest"
    """It has stopped."""
    START = "start"
    """It should run and does not: start its processes again."""
    RESUME = "resume"
    """A removal whose command is gone: go on with it."""
    RENEW = "renew"
    """GitHub refuses its version: give it the one that is offered, and start it again."""
    END_LIFE = "finish"
    """Its life ends in ``state``."""
    CONFIRM = "confirm"
    """GitHub lists it no more: its life ends in ``state`` if GitHub does not know it by its id either."""
    REPLACE = "replace"
    """The same, and another life of its name is to follow."""


class Action(NamedTuple):
    """One step for one runner."""

    step: Step
    state: RunnerState | None = None
    reason: str | None = None


class Deadlines(NamedTuple):
    """Deadlines, in seconds."""

    start: float = 120.0
    stop: float = 60.0
    quiet: float = 30.0
    """A removal in which nothing happened for so long has lost its command."""
    absence: float = 60.0
    """Between two listings that do not hold a runner, before it counts as gone at GitHub."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that is known of one runner at one moment."""

    runner: Runner
    processes: Observation
    supervised: bool
    working: bool
    """A job runs, proven by the kernel."""
    task: bool = False
    """A task to clear its registration is kept."""
    absences: int = 0
    """How many listings in a row did not hold it, ``Deadlines.absence`` apart."""
    unconfigured: bool = False
    """Its identity files are gone: an ephemeral runner's Listener takes them away when its job is done."""
    configured: bool = False
    """Half-made and persistent, and its ``config.sh`` had registered it."""
    ends: int = 0
    """Of one that rests and should run: how often in a row it ended by itself."""


KEEP = Action(Step.KEEP)


def plan(seen: Seen, *, now: float, deadlines: Deadlines) -> Action:
    """The one next step; KEEP when all is as it should be."""
    if not seen.processes.gone or seen.working:
        return _of_living(seen, now, deadlines)
    runner = seen.runner
    if runner.state is S.REMOVING:
        return Action(Step.END_LIFE, runner.ending or S.REMOVED, runner.reason)
    if runner.state is S.STOPPED:
        return _of_stopped(seen, now)
    return _of_ended(seen, now)


def _of_living(seen: Seen, now: float, deadlines: Deadlines) -> Action:
    runner, processes = seen.runner, seen.processes
    if not seen.supervised:
        return Action(Step.ADOPT)
    if runner.state is S.REMOVING:
        return _of_removing(seen, now, deadlines)
    if runner.state is S.STOPPING:
        return _of_stopping(seen, now, deadlines)
    if (
        _never_came_online(runner, processes, now, deadlines)
        and (late := _of_late(runner, processes, deadlines)) is not KEEP
    ):
        return late
    return _of_serving(seen)


def _of_late(runner: Runner, processes: Observation, deadlines: Deadlines) -> Action:
    """Somebody waits for an ephemeral one; a persistent one has time, and its Listener tries for ever."""
    if runner.ephemeral:
        return Action(Step.END_LIFE, S.FAILED, "It did not come online in time")
    said = f": {processes.error}" if processes.error else ""
    reason = f"It is not online after {shown(deadlines.start)}, and its Listener goes on trying{said}"
    return KEEP if reason == runner.reason else Action(Step.RECORD_REASON, reason=reason)


def _of_serving(seen: Seen) -> Action:
    runner, processes = seen.runner, seen.processes
    if seen.absences > 1 and not seen.working:
        # Somebody counts on an ephemeral runner that had no job yet; another life of a persistent one is GitHub's wish.
        wanted = runner.ephemeral and runner.daemonize and _may_run(runner) and not processes.jobs_run
        ends = Step.END_LIFE if runner.ephemeral else Step.CONFIRM
        return Action(Step.REPLACE if wanted else ends, S.FAILED, _LOST)
    if runner.exposed_at is not None and runner.desired is Desired.RUNNING:
        return Action(Step.DRAIN_EXPOSED, reason=_EXPOSED)
    if runner.state is S.STOPPED and restarting.is_wanted(runner):
        return Action(Step.RECORD_STATE, S.STARTING, "Its processes run")
    new = observed_state(runner, processes)
    return KEEP if new is runner.state else Action(Step.RECORD_STATE, new, processes.job)


def _of_stopping(seen: Seen, now: float, deadlines: Deadlines) -> Action:
    # After its job a runner still cleans up behind itself.
    since = max(seen.runner.changed_at, seen.processes.last_job_ended_at or 0.0)
    if not seen.working and _far_apart(since, now, deadlines.stop):
        return Action(Step.STOP, reason="Its stop took too long")
    return KEEP if seen.processes.stop_asked else Action(Step.DRAIN)


def _of_removing(seen: Seen, now: float, deadlines: Deadlines) -> Action:
    # While GitHub has not let go, an orphan task tries that at its own pace.
    waits = seen.working or seen.task
    lost = _far_apart(seen.runner.changed_at, now, deadlines.quiet)
    return Action(Step.RESUME) if lost and not waits else KEEP


def _never_came_online(runner: Runner, processes: Observation, now: float, deadlines: Deadlines) -> bool:
    if runner.state is not S.STARTING or processes.online_at is not None or runner.started_at is None:
        return False
    return _far_apart(runner.started_at, now, deadlines.start)


def _far_apart(then: float, now: float, seconds: float) -> bool:
    """Also a time that is long to come: the clock was set back since then, and nobody waits until it has caught up."""
    return abs(now - then) > seconds


def _of_stopped(seen: Seen, now: float) -> Action:
    """One that should run rests for a while only, be it that it failed or that nobody was there to start it."""
    runner, processes = seen.runner, seen.processes
    if seen.absences > 1 and restarting.is_wanted(runner):
        return Action(Step.CONFIRM, S.FAILED, _LOST)  # it would be started again for ever
    deleted = processes.outcome is Outcome.DELETED
    if deleted or not restarting.is_wanted(runner) or restarting.left(runner, seen.ends, now) > 0:
        return KEEP
    outdated = processes.ended and processes.outcome is Outcome.OUTDATED
    return Action(Step.RENEW if outdated else Step.START, reason=runner.reason or "It should run")


def _of_ended(seen: Seen, now: float) -> Action:
    """No process is left: what that means depends on how far the life had come and how the processes ended."""
    runner, processes = seen.runner, seen.processes
    if runner.state in UNLAUNCHED:
        if seen.configured and restarting.is_wanted(runner):
            return Action(Step.START, reason="Its creation was interrupted, and goes on")
        return Action(Step.END_LIFE, S.FAILED, "Its creation was interrupted")
    outcome = processes.outcome if processes.ended else _unsaid_outcome(seen)
    if outcome is Outcome.COMPLETED or runner.desired is Desired.GONE:
        done = outcome is Outcome.COMPLETED
        return Action(Step.END_LIFE, S.COMPLETED if done else S.REMOVED, processes.reason)
    reason = processes.reason or (WAS_STOPPED if processes.ended else "Its processes ended without a word")
    reason = reason if runner.exposed_at is None else _EXPOSED
    if _may_run(runner) and (again := _again(runner, processes, now)) is not None:
        return Action(again, reason=reason)
    if outcome is Outcome.DELETED:
        return Action(Step.END_LIFE, S.FAILED, reason)  # somebody wanted that
    # An ephemeral runner that was stopped before any job came may be started again; anything else is its end.
    rests = not runner.ephemeral or (outcome is Outcome.STOPPED and processes.jobs_run == 0)
    return Action(Step.MARK_STOPPED, reason=reason) if rests else Action(Step.END_LIFE, S.FAILED, reason)


def _may_run(runner: Runner) -> bool:
    return runner.desired is Desired.RUNNING and runner.exposed_at is None


def _unsaid_outcome(seen: Seen) -> Outcome | None:
    """As a supervisor that died before its last word would have put it; None where that cannot be told."""
    runner = seen.runner
    if runner.ephemeral and seen.unconfigured and seen.processes.jobs_run > 0:
        return Outcome.COMPLETED
    return Outcome.STOPPED if runner.desired is Desired.STOPPED and not seen.unconfigured else None


def _again(runner: Runner, processes: Observation, now: float) -> Step | None:
    """How one that should run comes to run again at once; None if it does not."""
    interrupted = runner.state is S.STARTING and runner.started_at is None
    if processes.ended:
        if interrupted:
            return Step.START  # what ended is what was there before
        return Step.RENEW if processes.outcome is Outcome.OUTDATED else None
    # Without a word: a reboot, or something that killed the whole tree.
    lasted = runner.started_at is not None and _far_apart(runner.started_at, now, CRASH_LOOP_SECONDS)
    return Step.START if (lasted or interrupted) and not runner.ephemeral else None
