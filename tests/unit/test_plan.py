"""What is decided about a runner, from what is known of it: pure, so every case is a line."""

from __future__ import annotations

from typing import Any

import pytest

from runnerctl.core.domain.models import Event, Runner, Scope
from runnerctl.core.domain.observation import NOTHING, Observation, Outcome, Phase
from runnerctl.core.domain.observed_state import shown_state
from runnerctl.core.domain.states import LIVE, Desired, RunnerState
from runnerctl.core.engine import restarting
from runnerctl.core.engine.plan import Action, Deadlines, Seen, Step, plan

S = RunnerState
NOW = 10_000.0


def runner(state: RunnerState = S.IDLE, **changes: Any) -> Runner:
    made = Runner(
        id="abc",
        seq=1,
        name="a",
        scope=Scope(owner="o", repo="r"),
        state=state,
        desired=Desired.RUNNING,
        revision=1,
        labels=("a",),
        ephemeral=True,
        daemonize=True,
        group=None,
        version="2.336.0",
        workdir="_work",
        tenant=None,
        root="/x/a",
        root_inode=(1, 2),
        asked_at=NOW - 600,
        github_id=7,
        github_status="offline",
        github_busy=False,
        github_seen_at=NOW - 600,
        deregistered_at=None,
        handle="{}",
        ending=None,
        reason=None,
        job_uid=None,
        job_gid=None,
        may_be_public=False,
        exposed_at=None,
        created_at=NOW - 600,
        changed_at=NOW - 600,
        started_at=NOW - 600,
        ended_at=None,
    )
    return made._replace(**changes)


def alive(phase: Phase = Phase.LISTENING, **changes: Any) -> Observation:
    online = {"online_at": None} if phase is Phase.STARTING else {"online_at": NOW - 500}
    return Observation(running=True, supervised=None, pid=5, phase=phase, **{**online, **changes})


def ended(outcome: Outcome | None, **changes: Any) -> Observation:
    return NOTHING._replace(phase=Phase.EXITED, ended=outcome is not None, outcome=outcome, **changes)


def decided(row: Runner, processes: Observation, **more: Any) -> Action:
    facts = {"supervised": processes.running, "working": processes.phase is Phase.BUSY, **more}
    return plan(Seen(runner=row, processes=processes, **facts), now=NOW, deadlines=Deadlines())


@pytest.mark.parametrize(
    ("state", "phase", "step", "new"),
    [
        (S.STARTING, Phase.LISTENING, Step.RECORD_STATE, S.IDLE),
        (S.IDLE, Phase.BUSY, Step.RECORD_STATE, S.BUSY),
        (S.BUSY, Phase.LISTENING, Step.RECORD_STATE, S.IDLE),
        (S.IDLE, Phase.UPDATING, Step.RECORD_STATE, S.STARTING),
        (S.IDLE, Phase.LISTENING, Step.KEEP, None),
        (S.BUSY, Phase.BUSY, Step.KEEP, None),
        (S.STOPPING, Phase.BUSY, Step.DRAIN, None),
    ],
)
def test_the_state_follows_the_processes(state: RunnerState, phase: Phase, step: Step, new: RunnerState | None) -> None:
    assert decided(runner(state), alive(phase))[:2] == (step, new)


@pytest.mark.parametrize("state", [S.STARTING, S.IDLE, S.BUSY, S.STOPPING, S.REMOVING])
def test_processes_without_a_supervisor_get_one_and_nothing_else_happens(state: RunnerState) -> None:
    for absences in (0, 5):
        assert decided(runner(state), alive(), supervised=False, absences=absences).step is Step.ADOPT


@pytest.mark.parametrize("state", sorted(LIVE - {S.STOPPED, S.PENDING, S.REGISTERED}))
def test_a_worker_that_outlived_all_else_is_adopted_and_never_cleared(state: RunnerState) -> None:
    assert decided(runner(state), ended(None), working=True).step is Step.ADOPT


@pytest.mark.parametrize(
    ("processes", "desired", "ephemeral", "expected"),
    [
        (ended(Outcome.COMPLETED, jobs_run=1), Desired.RUNNING, True, (Step.END_LIFE, S.COMPLETED)),
        (ended(Outcome.FAILED), Desired.RUNNING, True, (Step.END_LIFE, S.FAILED)),
        (ended(Outcome.STOPPED), Desired.STOPPED, True, (Step.MARK_STOPPED, None)),
        (ended(Outcome.STOPPED, jobs_run=1), Desired.STOPPED, True, (Step.END_LIFE, S.FAILED)),
        (ended(None), Desired.RUNNING, True, (Step.END_LIFE, S.FAILED)),
        (ended(None), Desired.STOPPED, True, (Step.MARK_STOPPED, None)),
        (ended(Outcome.STOPPED), Desired.STOPPED, False, (Step.MARK_STOPPED, None)),
        (ended(Outcome.FAILED), Desired.RUNNING, False, (Step.MARK_STOPPED, None)),
        (ended(None), Desired.RUNNING, False, (Step.START, None)),
        (ended(None), Desired.STOPPED, False, (Step.MARK_STOPPED, None)),
        (ended(Outcome.FAILED), Desired.GONE, False, (Step.END_LIFE, S.REMOVED)),
        (NOTHING, Desired.RUNNING, True, (Step.END_LIFE, S.FAILED)),
        (ended(Outcome.DELETED), Desired.RUNNING, True, (Step.END_LIFE, S.FAILED)),
        (ended(Outcome.DELETED), Desired.RUNNING, False, (Step.END_LIFE, S.FAILED)),
        (ended(Outcome.OUTDATED), Desired.RUNNING, True, (Step.RENEW, None)),
        (ended(Outcome.OUTDATED), Desired.RUNNING, False, (Step.RENEW, None)),
        (ended(Outcome.OUTDATED), Desired.STOPPED, False, (Step.MARK_STOPPED, None)),
    ],
)
def test_how_processes_ended_decides_what_becomes_of_the_runner(
    processes: Observation, desired: Desired, ephemeral: bool, expected: tuple[Step, RunnerState | None]
) -> None:
    assert decided(runner(S.IDLE, desired=desired, ephemeral=ephemeral), processes)[:2] == expected


@pytest.mark.parametrize(
    ("ephemeral", "jobs_run", "expected"),
    [(True, 1, (Step.END_LIFE, S.COMPLETED)), (True, 0, (Step.END_LIFE, S.FAILED)), (False, 1, (Step.START, None))],
)
def test_a_runner_that_took_its_identity_away_after_a_job_has_completed_though_nobody_saw_it_end(
    ephemeral: bool, jobs_run: int, expected: tuple[Step, RunnerState | None]
) -> None:
    row = runner(S.BUSY, ephemeral=ephemeral)
    assert decided(row, ended(None, jobs_run=jobs_run), unconfigured=True)[:2] == expected


def test_a_persistent_runner_that_died_right_after_its_start_is_not_started_again() -> None:
    row = runner(S.STARTING, ephemeral=False, started_at=NOW - 5)
    assert decided(row, ended(None)).step is Step.MARK_STOPPED


@pytest.mark.parametrize("outcome", [Outcome.OUTDATED, Outcome.STOPPED, Outcome.FAILED])
@pytest.mark.parametrize("ephemeral", [True, False])
def test_a_start_that_was_interrupted_is_not_judged_by_what_was_there_before(outcome: Outcome, ephemeral: bool) -> None:
    row = runner(S.STARTING, handle=None, ephemeral=ephemeral)
    assert decided(row, ended(outcome)).step is Step.START


@pytest.mark.parametrize("state", [S.PENDING, S.REGISTERED])
def test_an_interrupted_creation_fails(state: RunnerState) -> None:
    action = decided(runner(state, started_at=None), NOTHING)
    assert action[:2] == (Step.END_LIFE, S.FAILED)
    assert "interrupted" in (action.reason or "")


@pytest.mark.parametrize(
    ("age", "online", "step"), [(119, False, Step.KEEP), (121, False, Step.END_LIFE), (121, True, Step.KEEP)]
)
def test_an_ephemeral_start_has_a_deadline_that_being_online_once_meets(age: float, online: bool, step: Step) -> None:
    processes = alive(Phase.STARTING, online_at=NOW if online else None)
    assert decided(runner(S.STARTING, started_at=NOW - age), processes).step is step


def test_a_persistent_start_has_none_and_says_why_it_takes_so_long_once() -> None:
    row = runner(S.STARTING, ephemeral=False, started_at=NOW - 121)
    processes = alive(Phase.STARTING, error="Runner connect error: 503")
    action = decided(row, processes)
    assert action.step is Step.RECORD_REASON
    assert "Runner connect error: 503" in (action.reason or "")
    assert decided(row._replace(reason=action.reason), processes).step is Step.KEEP


@pytest.mark.parametrize(
    ("absences", "phase", "step"),
    [
        (0, Phase.LISTENING, Step.KEEP),
        (1, Phase.LISTENING, Step.KEEP),
        (2, Phase.LISTENING, Step.REPLACE),
        (9, Phase.BUSY, Step.RECORD_STATE),
    ],
)
def test_github_must_miss_a_runner_twice_and_a_job_outweighs_it(absences: int, phase: Phase, step: Step) -> None:
    assert decided(runner(S.IDLE), alive(phase), absences=absences).step is step


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"ephemeral": False}, Step.CONFIRM),
        ({"daemonize": False}, Step.END_LIFE),
        ({"desired": Desired.STOPPED}, Step.END_LIFE),
        ({"jobs_run": 1}, Step.END_LIFE),
    ],
)
def test_only_an_ephemeral_runner_that_somebody_still_waits_for_is_made_again(
    changes: dict[str, Any], step: Step
) -> None:
    processes = alive(jobs_run=changes.pop("jobs_run", 0))
    assert decided(runner(S.IDLE, **changes), processes, absences=2)[:2] == (step, S.FAILED)


@pytest.mark.parametrize("processes", [ended(Outcome.FAILED), ended(Outcome.STOPPED), ended(None), NOTHING])
def test_a_persistent_runner_that_should_run_rests_longer_each_time_and_never_for_good(processes: Observation) -> None:
    for ends, pause in [(1, 5), (2, 10), (4, 40), (7, 300), (60, 300)]:
        for age, step in [(pause - 1, Step.KEEP), (pause + 1, Step.START)]:
            row = runner(S.STOPPED, ephemeral=False, changed_at=NOW - age, reason="fatal error")
            assert decided(row, processes, ends=ends).step is step


@pytest.mark.parametrize("processes", [ended(Outcome.FAILED), ended(Outcome.OUTDATED), ended(Outcome.DELETED), NOTHING])
@pytest.mark.parametrize(("absences", "confirmed"), [(0, False), (1, False), (2, True)])
def test_one_that_rests_and_that_github_lists_no_more_is_not_started_for_ever(
    processes: Observation, absences: int, confirmed: bool
) -> None:
    for age in (1, 9999):
        row = runner(S.STOPPED, ephemeral=False, changed_at=NOW - age)
        assert (decided(row, processes, ends=1, absences=absences).step is Step.CONFIRM) is confirmed


@pytest.mark.parametrize(
    "changes", [{"ephemeral": True}, {"daemonize": False}, {"desired": Desired.STOPPED}, {"exposed_at": NOW}]
)
def test_nothing_else_that_rests_is_started_by_itself(changes: dict[str, Any]) -> None:
    row = runner(S.STOPPED, **{"ephemeral": False, "changed_at": NOW - 9999, **changes})
    for absences in (0, 9):
        assert decided(row, ended(Outcome.FAILED), ends=1, absences=absences).step is Step.KEEP


def test_a_registration_that_is_gone_is_not_tried_again() -> None:
    row = runner(S.STOPPED, ephemeral=False, changed_at=NOW - 9999)
    assert decided(row, ended(Outcome.DELETED), ends=1).step is Step.KEEP


def event(at: float, old: RunnerState | None, new: RunnerState, reason: str | None = None) -> Event:
    return Event(runner_id="abc", at=at, old=old, new=new, reason=reason)


CREATED = [event(0, None, S.PENDING), event(1, S.PENDING, S.REGISTERED), event(2, S.REGISTERED, S.STARTING)]
FAILED = [event(12, S.STARTING, S.STOPPED, "fatal error")]
AGAIN = [event(20, S.STOPPED, S.STARTING, "fatal error"), event(21, S.STARTING, S.IDLE)]


@pytest.mark.parametrize(
    ("history", "ends"),
    [
        (CREATED, 0),
        (CREATED + FAILED, 1),
        (CREATED + FAILED + AGAIN + [event(30, S.IDLE, S.STOPPED)], 2),
        (CREATED + FAILED + AGAIN + [event(700, S.BUSY, S.STOPPED)], 1),
        (CREATED + FAILED + [event(20, S.STOPPED, S.STARTING), event(30, S.STARTING, S.STOPPED, "killed")], 1),
        ([*CREATED, event(9, S.STOPPING, S.STOPPED)], 0),
        ([*FAILED, *AGAIN] * 70 + FAILED, 71),
    ],
    ids=["new", "once", "twice", "a long life between", "somebody started it", "somebody stopped it", "for days"],
)
def test_what_ends_in_a_row_is_counted_from_the_history(history: list[Event], ends: int) -> None:
    assert restarting.ends_in_a_row(history) == ends


def test_a_creation_that_was_interrupted_behind_its_registration_goes_on_if_it_is_to_last() -> None:
    half_made = runner(S.PENDING, ephemeral=False, started_at=None, github_id=None)
    assert decided(half_made, NOTHING, configured=True).step is Step.START
    assert decided(half_made, NOTHING, configured=False).step is Step.END_LIFE


def test_a_start_whose_starter_died_is_done_again_at_once() -> None:
    row = runner(S.STARTING, ephemeral=False, handle=None, started_at=None)
    assert decided(row, NOTHING).step is Step.START


@pytest.mark.parametrize(
    ("age", "working", "step"), [(10, False, Step.KEEP), (99, False, Step.STOP), (99, True, Step.KEEP)]
)
def test_a_stop_has_a_deadline_that_a_job_suspends(age: float, working: bool, step: Step) -> None:
    processes = alive(stop_asked=True)
    assert decided(runner(S.STOPPING, changed_at=NOW - age), processes, working=working).step is step


def test_a_runner_that_just_ended_its_last_job_is_given_time_to_leave() -> None:
    processes = alive(stop_asked=True, last_job_ended_at=NOW - 5)
    assert decided(runner(S.STOPPING, changed_at=NOW - 4000), processes).step is Step.KEEP


@pytest.mark.parametrize("working", [True, False])
def test_a_stop_that_was_never_asked_for_is_asked_for(working: bool) -> None:
    """Its command was killed in between; a job is finished first."""
    assert decided(runner(S.STOPPING, changed_at=NOW - 1), alive(), working=working).step is Step.DRAIN


@pytest.mark.parametrize(
    ("age", "task", "working", "step"),
    [
        (5, False, False, Step.KEEP),
        (99, False, False, Step.RESUME),
        (99, True, False, Step.KEEP),
        (99, False, True, Step.KEEP),
    ],
)
def test_a_removal_without_its_command_goes_on_unless_a_job_or_a_task_is_in_the_way(
    age: float, task: bool, working: bool, step: Step
) -> None:
    assert decided(runner(S.REMOVING, changed_at=NOW - age), alive(), working=working, task=task).step is step


def test_a_removal_ends_as_it_was_meant_to() -> None:
    row = runner(S.REMOVING, ending=S.COMPLETED, reason="done")
    assert decided(row, ended(Outcome.STOPPED)) == Action(Step.END_LIFE, S.COMPLETED, "done")


def test_a_stopped_runner_is_left_alone() -> None:
    assert decided(runner(S.STOPPED, desired=Desired.STOPPED), ended(Outcome.STOPPED)).step is Step.KEEP


@pytest.mark.parametrize("processes", [alive(), alive(Phase.BUSY, job="build"), alive(Phase.STARTING)])
def test_a_runner_whose_repository_has_become_public_is_withdrawn_once(processes: Observation) -> None:
    exposed = runner(S.STARTING, exposed_at=NOW, started_at=NOW)
    assert decided(exposed, processes).step is Step.DRAIN_EXPOSED
    asked = exposed._replace(state=S.STOPPING, desired=Desired.STOPPED, changed_at=NOW)
    assert decided(asked, processes._replace(stop_asked=True)).step is Step.KEEP


def test_an_exposed_runner_is_neither_started_nor_made_again_by_itself() -> None:
    persistent = runner(ephemeral=False, exposed_at=NOW)
    assert decided(persistent, NOTHING).step is Step.MARK_STOPPED
    assert decided(persistent, ended(Outcome.OUTDATED)).step is Step.MARK_STOPPED
    ghost = Seen(runner=runner(exposed_at=NOW), processes=alive(), supervised=True, working=False, absences=2)
    assert plan(ghost, now=NOW, deadlines=Deadlines()).step is Step.END_LIFE


STOPPING = NOTHING._replace(supervised=True, phase=Phase.STOPPING)


@pytest.mark.parametrize(
    ("processes", "ephemeral", "shown"),
    [
        (alive(Phase.LISTENING), True, S.IDLE),
        (alive(Phase.STARTING), True, S.STARTING),
        (NOTHING._replace(supervised=True, phase=Phase.STARTING), True, S.STARTING),
        (NOTHING._replace(supervised=True, phase=Phase.UPDATING), False, S.STARTING),
        (STOPPING, True, S.STOPPING),
        (STOPPING, False, S.STOPPING),
        (ended(Outcome.COMPLETED, jobs_run=1), True, S.REMOVING),
        (ended(Outcome.FAILED), True, S.REMOVING),
        (ended(None), True, S.REMOVING),
        (ended(Outcome.STOPPED), True, S.STOPPED),
        (ended(Outcome.STOPPED, jobs_run=1), True, S.REMOVING),
        (ended(Outcome.OUTDATED), True, S.STARTING),
        (ended(Outcome.FAILED), False, S.STOPPED),
        (ended(None), False, S.STOPPED),
    ],
)
def test_what_is_shown_follows_the_processes_to_their_end(
    processes: Observation, ephemeral: bool, shown: RunnerState
) -> None:
    assert shown_state(runner(S.STARTING, ephemeral=ephemeral), processes) is shown


def test_what_is_not_started_yet_is_starting() -> None:
    assert shown_state(runner(S.STARTING, handle=None, started_at=None), NOTHING) is S.STARTING
    assert shown_state(runner(S.STARTING, handle=None), ended(Outcome.STOPPED)) is S.STARTING
