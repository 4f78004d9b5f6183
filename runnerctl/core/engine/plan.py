"""What is to be done about one runner, decided from what is wanted of it and what is seen; nothing is touched here.

``table.TABLE`` decides; this module turns a row of the store and an observation into what the table asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ..domain.documents import OFFLINE, offline_since
from ..domain.durations import shown
from ..domain.models import Runner
from ..domain.observation import Observation, Outcome, Phase
from ..domain.observed_state import observed_state
from ..domain.states import UNLAUNCHED, Desired, How, RunnerState
from . import restarting
from .situation import Ended, Made, Processes, Situation, Timer, Wanted
from .table import Step, row_for

S = RunnerState

WAS_STOPPED = "It was stopped"
LOST = "GitHub no longer knows it"
EXPOSED = "Its repository has become public, and runners of public repositories are not allowed"
RENEWAL = "policy renewal"
"""Who wants a restart so that a runner gets a newer version before its own ends."""
OFFLINE_SECONDS = 60.0
"""Between the first and the last of the listings that show it as offline."""
CRASH_LOOP_SECONDS = 60.0
"""A persistent runner that died sooner after its start is not started again at once."""
LEAVING_SECONDS = 1.0
"""GitHub knows of a job's end before its Worker is gone."""
_HEARD_SECONDS = 2.0
JOB_END_SECONDS = 15.0
"""GitHub may call a runner busy for a while after its Listener reported the job's end."""


class Action(NamedTuple):
    """One step for one runner."""

    step: Step
    why: str = ""
    """The table's words."""
    state: RunnerState | None = None
    reason: str | None = None
    """For the row, its history and who reads them."""
    until: float | None = None
    """For ``WAIT``: seconds from now after which another look is due, if time alone changes anything."""


NOTHING = Action(Step.NOTHING)


class Deadlines(NamedTuple):
    """Deadlines, in seconds."""

    start: float = 120.0
    stop: float = 60.0
    """For a gentle stop, once no job runs."""
    ladder: float = 46.0
    """For an interruption."""
    force: float = 30.0
    """For one that is to be gone now."""


class Now(NamedTuple):
    wall: float
    """Seconds since the epoch."""
    boot: float
    """Seconds since the host was started, sleep included."""
    boot_id: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that is known of one runner at one moment."""

    runner: Runner
    processes: Observation
    supervised: bool
    working: bool
    """A job runs, proven by the kernel."""
    package: bool = False
    """The package that it needs is on this host."""
    driven: bool = False
    """Whoever asked for it is still there and makes it."""
    put_off: bool = False
    """Its orphan is tried again later."""
    orphaned: bool = False
    """A task to clear its registration is kept."""
    absences: int = 0
    """How many listings in a row did not hold it, a minute apart."""
    unconfigured: bool = False
    """Its identity files are gone: an ephemeral runner's Listener takes them away when its job is done."""
    accepted: bool = False
    """Half-made and persistent, and its ``config.sh`` had registered it."""
    ends: int = 0
    """Of one that rests and should run: how often in a row it ended by itself."""
    held_back: float | None = None
    """Its version was refused, and in its scope nothing is begun without a command for so many seconds."""
    refused: bool = False
    """The last answer of GitHub to its removal was that it runs a job."""
    replaced: bool = True
    """Ephemeral ones that GitHub lost are made again."""


def plan(seen: Seen, *, now: Now, deadlines: Deadlines) -> Action:
    """The one next step; NOTHING when all is as it should be."""
    situation = situation_of(seen, now=now, deadlines=deadlines)
    row = row_for(situation)
    return Action(
        step=row.step,
        why=row.why,
        state=_state(row.step, seen),
        reason=_reason(row.step, seen, deadlines),
        until=_until(row.step, seen, now, situation),
    )


def situation_of(seen: Seen, *, now: Now, deadlines: Deadlines) -> Situation:
    """What the table asks for."""
    runner, processes = seen.runner, seen.processes
    outcome = _outcome(seen)
    lasting = restarting.is_lasting(runner)
    unused = processes.jobs_run == 0
    last_job = processes.last_job_ended_at or 0.0
    return Situation(
        wanted=wanted(runner),
        state=runner.state,
        processes=_processes(seen),
        job=seen.working,
        put_off=seen.put_off or _is_put_off(runner, now.wall),
        held_back=seen.held_back is not None,
        made=_made(seen),
        driven=seen.driven,
        started=runner.started_at is not None,
        ended=outcome,
        lasting=lasting,
        unused=unused,
        restful=_is_restful(seen, outcome),
        crashed=_is_crashed(seen, outcome),
        crashed_early=runner.started_at is not None and not _far_apart(runner.started_at, now.wall, CRASH_LOOP_SECONDS),
        late=_is_late(runner, processes, now.wall, deadlines),
        explained=runner.reason is not None and runner.reason == _late_reason(processes, deadlines),
        lost=seen.absences > 1,
        offline=_is_offline(seen, now.wall),
        exposed=runner.exposed_at is not None,
        changed=_seen_state(runner, processes, lasting=lasting) is not runner.state,
        wished=is_wished(runner),
        renewing=is_renewing(runner),
        rested=restarting.left(runner, seen.ends, now.wall) <= 0,
        asked=processes.stop_asked,
        unheard=not processes.stop_asked and _is_long_interrupted(runner, now, deadlines),
        deadline=_timer(runner, runner.deadline, now),
        overdue=_is_overdue(runner, last_job, now, deadlines),
        leaving=not _far_apart(runner.wanted_at or 0.0, now.wall, LEAVING_SECONDS),
        registered=runner.asked_at is not None and runner.deregistered_at is None,
        unregistered=runner.github_id is None and not runner.ephemeral,
        refused=seen.refused and _far_apart(max(runner.wanted_at or 0.0, last_job), now.wall, _patience(seen, now)),
        removed=runner.ending in {None, S.REMOVED},
        orphaned=seen.orphaned,
        settling=_timer(runner, runner.settle_until, now) is Timer.RUNNING,
    )


def wanted(runner: Runner) -> Wanted:
    """What the row says; one that is being removed can be wanted otherwise only while that is taken back."""
    if is_taken_back(runner):
        return Wanted.BACK
    if runner.desired is Desired.GONE or runner.state is S.REMOVING:
        return {How.GENTLE: Wanted.GONE, How.DRAIN: Wanted.GONE_AFTER_JOB, How.NOW: Wanted.GONE_NOW}[runner.how]
    if runner.desired is Desired.STOPPED:
        return Wanted.STOP_NOW if runner.how is How.NOW else Wanted.STOP
    if runner.how is How.GENTLE or not is_wished(runner):
        return Wanted.RUN
    return Wanted.RESTART_NOW if runner.how is How.NOW else Wanted.RESTART


def is_taken_back(runner: Runner) -> bool:
    """Its drain is, and it shows its state still; see ``Wanted.want_back`` of the store."""
    if runner.how is not How.GENTLE or runner.back_to is None:
        return False
    if runner.state is S.STOPPING:
        return runner.desired is Desired.RUNNING and runner.back_to != S.STOPPING
    return runner.state is S.REMOVING and runner.desired is not Desired.GONE


def is_wished(runner: Runner) -> bool:
    """Whether the wish that it runs, or runs anew, is younger than its last start, by count: clocks are set back."""
    return runner.desired is Desired.RUNNING and runner.wants > runner.started_wants


def is_renewing(runner: Runner) -> bool:
    """It is to restart with a newer version, and nobody has wanted anything else since."""
    return runner.wanted_by == RENEWAL and is_wished(runner)


def _processes(seen: Seen) -> Processes:
    if seen.processes.running is None:
        return Processes.UNKNOWN
    if seen.processes.gone and not seen.working:
        return Processes.NONE
    return Processes.LIVING if seen.supervised else Processes.UNSUPERVISED


def _made(seen: Seen) -> Made:
    runner = seen.runner
    if runner.state is S.REGISTERED or runner.state not in UNLAUNCHED or seen.accepted:
        return Made.REGISTERED
    if runner.handle is not None:
        return Made.PROVISIONED
    return Made.PACKAGE if seen.package else Made.NOTHING


def _outcome(seen: Seen) -> Ended:
    processes, runner = seen.processes, seen.runner
    if processes.ended and processes.outcome is not None:
        return _ENDED[processes.outcome]
    # As a supervisor that died before its last word would have put it.
    if runner.ephemeral and seen.unconfigured and processes.jobs_run > 0:
        return Ended.COMPLETED
    if runner.desired is Desired.STOPPED and not seen.unconfigured:
        return Ended.STOPPED
    return Ended.SILENT


_ENDED = {
    Outcome.COMPLETED: Ended.COMPLETED,
    Outcome.STOPPED: Ended.STOPPED,
    Outcome.FAILED: Ended.FAILED,
    Outcome.DELETED: Ended.DELETED,
    Outcome.OUTDATED: Ended.OUTDATED,
}


def _is_restful(seen: Seen, outcome: Ended) -> bool:
    """An ephemeral runner that was stopped before any job came may be started again; a persistent one always."""
    if seen.processes.gone:
        return not seen.runner.ephemeral or (outcome is Ended.STOPPED and seen.processes.jobs_run == 0)
    return seen.runner.ephemeral and seen.runner.daemonize


def _is_crashed(seen: Seen, outcome: Ended) -> bool:
    """Its registration may be as good as before; but its session died with it, and nobody waits for its end."""
    runner, processes = seen.runner, seen.processes
    waited = runner.ephemeral and runner.daemonize and runner.started_at is not None and processes.jobs_run == 0
    if not (waited and processes.gone) or seen.working or seen.unconfigured:
        return False
    if outcome is Ended.SILENT:
        return processes.phase is not None and not processes.ended  # the whole tree died, or the host
    return outcome is Ended.FAILED and processes.crashed


def _is_late(runner: Runner, processes: Observation, now: float, deadlines: Deadlines) -> bool:
    """Somebody waits for an ephemeral one; a persistent one has time, and its Listener tries for ever."""
    if runner.state is not S.STARTING or processes.online_at is not None:
        return False
    # Killed between its launch and the commit of that, it has no start in the row.
    return _far_apart(runner.started_at or runner.changed_at, now, deadlines.start)


def _is_offline(seen: Seen, now: float) -> bool:
    """One listing proves nothing, nor do such as were made while it worked, or so long ago that another is overdue."""
    runner, processes = seen.runner, seen.processes
    since = offline_since(runner, now)
    if since is None or runner.github_seen_at is None:
        return False
    # Whoever says that it tries to connect is no less offline; a job can say so in its name.
    if processes.phase not in {Phase.LISTENING, Phase.CONNECTING} or processes.online_at is None:
        return False
    if runner.ephemeral and (runner.github_busy or not seen.replaced):
        return False  # another would not get the job that GitHub has given to this one, or is not wanted
    return runner.github_seen_at - max(since, processes.last_job_ended_at or 0.0) >= OFFLINE_SECONDS


def _late_reason(processes: Observation, deadlines: Deadlines) -> str:
    said = f": {processes.error}" if processes.error else ""
    return f"It is not online after {shown(deadlines.start)}, and its Listener keeps trying{said}"


def _seen_state(runner: Runner, processes: Observation, *, lasting: bool) -> RunnerState:
    if runner.state is S.STOPPED and lasting and not processes.gone:
        return S.STARTING
    return observed_state(runner, processes)


def _timer(runner: Runner, at: float | None, now: Now) -> Timer:
    """Another boot has ended whatever it was set for."""
    if at is None:
        return Timer.UNSET
    return Timer.RUNNING if runner.boot_id == now.boot_id and now.boot < at else Timer.OVER


def _is_overdue(runner: Runner, last_job: float, now: Now, deadlines: Deadlines) -> bool:
    """By the host's clock since it was told, whatever happens to the date meanwhile; and since its last job."""
    if _timer(runner, runner.settle_until, now) is Timer.RUNNING:
        return False
    return all(_far_apart(at, now.wall, deadlines.stop) for at in (runner.changed_at, last_job))


def ladder(runner: Runner, deadlines: Deadlines) -> float:
    """How long its processes have once they are interrupted."""
    return deadlines.force if wanted(runner) is Wanted.GONE_NOW else deadlines.ladder


def _is_long_interrupted(runner: Runner, now: Now, deadlines: Deadlines) -> bool:
    """Whoever interrupted it may have died before it did; but twice is more than once, so it is not done in haste."""
    if runner.deadline is None:
        return False
    return now.boot - (runner.deadline - ladder(runner, deadlines)) > _HEARD_SECONDS


def _patience(seen: Seen, now: Now) -> float:
    """How long GitHub may call it busy: while its Listener has just reported a job's end."""
    last = seen.processes.last_job_ended_at
    just_ended = last is not None and not _far_apart(last, now.wall, JOB_END_SECONDS)
    return JOB_END_SECONDS if just_ended else 0.0


def _is_put_off(runner: Runner, now: float) -> bool:
    """A time that is longer away than any can be was set before the clock was set back."""
    return runner.due is not None and now < runner.due <= now + restarting.LONGEST_SECONDS


def _far_apart(then: float, now: float, seconds: float) -> bool:
    """Also a time that is long to come: the clock was set back since then, and nobody waits until it has caught up."""
    return abs(now - then) > seconds


def _state(step: Step, seen: Seen) -> RunnerState | None:
    if step is Step.RECORD_STATE:
        return _seen_state(seen.runner, seen.processes, lasting=restarting.is_lasting(seen.runner))
    if step is Step.END_LIFE:
        return seen.runner.ending or S.REMOVED
    if step is Step.COMPLETE:
        return S.COMPLETED
    return S.FAILED if step in {Step.FAIL, Step.REPLACE, Step.CONFIRM} else None


def _reason(step: Step, seen: Seen, deadlines: Deadlines) -> str | None:
    if step in {Step.FAIL, Step.CONFIRM} and (why := _why_it_fails(seen)) is not None:
        return why
    return _REASONS.get(step, _own_reason)(seen, deadlines)


def _why_it_fails(seen: Seen) -> str | None:
    """None for one whose processes have ended and say why."""
    if seen.absences > 1:
        return LOST
    if not seen.processes.gone:
        return "It did not come online in time"
    return "Its creation was interrupted" if seen.runner.state in UNLAUNCHED else None


def _own_reason(seen: Seen, _: Deadlines) -> str | None:
    return seen.runner.reason


def _ended_reason(seen: Seen, _: Deadlines) -> str | None:
    return EXPOSED if seen.runner.exposed_at is not None else _end_reason(seen.processes)


def _lost_reason(seen: Seen, deadlines: Deadlines) -> str | None:
    if seen.processes.gone:
        return _ended_reason(seen, deadlines)
    return LOST if seen.absences > 1 else OFFLINE


_REASONS: dict[Step, Callable[[Seen, Deadlines], str | None]] = {
    Step.RESTART: lambda _seen, _deadlines: OFFLINE,
    Step.REPLACE: _lost_reason,
    Step.RECORD_REASON: lambda seen, deadlines: _late_reason(seen.processes, deadlines),
    Step.DRAIN_EXPOSED: lambda _seen, _deadlines: EXPOSED,
    Step.KILL: lambda _seen, _deadlines: "Its stop took too long",
    Step.RECORD_STATE: lambda seen, _: "Its processes run" if seen.runner.state is S.STOPPED else seen.processes.job,
    Step.LAUNCH: lambda seen, _: _launch_reason(seen),
    Step.COMPLETE: lambda seen, _: seen.processes.reason,
    Step.MARK_STOPPED: _ended_reason,
    Step.RENEW: _ended_reason,
    Step.FAIL: _ended_reason,
}


def _launch_reason(seen: Seen) -> str | None:
    runner = seen.runner
    if seen.driven or is_wished(runner):
        return None
    if runner.state in UNLAUNCHED:
        return "Its creation was interrupted, and continues"
    return (runner.reason if runner.state is S.STOPPED else _end_reason(seen.processes)) or "It should run"


def _end_reason(processes: Observation) -> str:
    return processes.reason or (WAS_STOPPED if processes.ended else "Its processes ended without a reason")


def _until(step: Step, seen: Seen, now: Now, situation: Situation) -> float | None:
    """Of one that waits: when time alone may change its situation."""
    if step is not Step.WAIT:
        return None
    runner = seen.runner
    # A job is finished whatever else has passed by then: only a stop ladder that is climbed does not wait for it.
    ends = (runner.deadline,) if situation.job else (runner.deadline, runner.settle_until)
    timers = [at - now.boot for at in ends if at is not None and _timer(runner, at, now) is Timer.RUNNING]
    if situation.put_off and runner.due is not None:
        timers.append(runner.due - now.wall)
    if seen.held_back is not None:
        timers.append(seen.held_back)
    if situation.leaving:
        timers.append(LEAVING_SECONDS)
    if runner.state is S.STOPPED and not situation.rested:
        timers.append(restarting.left(runner, seen.ends, now.wall))
    return min(timers, default=None)
