"""What is decided about a runner, from what is known of it: pure, so every case is a line."""

from __future__ import annotations

from typing import Any

import pytest

from runnerctl.core.domain.errors import GitHubBusy
from runnerctl.core.domain.models import Event, Runner, Scope
from runnerctl.core.domain.observation import NOTHING, Observation, Outcome, Phase
from runnerctl.core.domain.observed_state import shown_state
from runnerctl.core.domain.states import LIVE, Desired, How, RunnerState
from runnerctl.core.engine import failures, restarting
from runnerctl.core.engine.plan import RENEWAL, Action, Deadlines, Now, Seen, plan, wanted
from runnerctl.core.engine.situation import Wanted
from runnerctl.core.engine.table import Step

S = RunnerState
NOW = 10_000.0
BOOT = 5_000.0
DEADLINES = Deadlines()


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
    now = Now(wall=NOW, boot=BOOT, boot_id="this boot")
    return plan(Seen(runner=row, processes=processes, **facts), now=now, deadlines=DEADLINES)


@pytest.mark.parametrize(
    ("state", "phase", "step", "new"),
    [
        (S.STARTING, Phase.LISTENING, Step.RECORD_STATE, S.IDLE),
        (S.IDLE, Phase.BUSY, Step.RECORD_STATE, S.BUSY),
        (S.BUSY, Phase.LISTENING, Step.RECORD_STATE, S.IDLE),
        (S.IDLE, Phase.UPDATING, Step.RECORD_STATE, S.STARTING),
        (S.IDLE, Phase.LISTENING, Step.NOTHING, None),
        (S.BUSY, Phase.BUSY, Step.NOTHING, None),
        (S.STOPPING, Phase.BUSY, Step.DRAIN, None),
    ],
)
def test_the_state_follows_the_processes(state: RunnerState, phase: Phase, step: Step, new: RunnerState | None) -> None:
    action = decided(runner(state), alive(phase))
    assert (action.step, action.state) == (step, new)


@pytest.mark.parametrize("state", sorted(LIVE))
@pytest.mark.parametrize("desired", Desired)
def test_what_cannot_be_seen_is_never_acted_on(state: RunnerState, desired: Desired) -> None:
    unseen = NOTHING._replace(running=None, supervised=None)
    row = runner(state, desired=desired, how=How.NOW, deadline=BOOT - 1, boot_id="this boot")
    assert decided(row, unseen, absences=9).step is Step.WAIT


@pytest.mark.parametrize("state", [S.STARTING, S.IDLE, S.BUSY, S.STOPPING, S.REMOVING])
def test_processes_without_a_supervisor_get_one_and_nothing_else_happens(state: RunnerState) -> None:
    for absences in (0, 5):
        for desired in Desired:
            action = decided(runner(state, desired=desired), alive(), supervised=False, absences=absences)
            assert action.step is Step.ADOPT


@pytest.mark.parametrize("state", sorted(LIVE - {S.STOPPED, S.PENDING, S.REGISTERED}))
def test_a_worker_that_outlived_all_else_is_adopted_and_never_cleared(state: RunnerState) -> None:
    assert decided(runner(state), ended(None), working=True).step is Step.ADOPT


@pytest.mark.parametrize(
    ("processes", "desired", "ephemeral", "expected"),
    [
        (ended(Outcome.COMPLETED, jobs_run=1), Desired.RUNNING, True, (Step.COMPLETE, S.COMPLETED)),
        (ended(Outcome.FAILED), Desired.RUNNING, True, (Step.FAIL, S.FAILED)),
        (ended(Outcome.STOPPED), Desired.STOPPED, True, (Step.MARK_STOPPED, None)),
        (ended(Outcome.STOPPED, jobs_run=1), Desired.STOPPED, True, (Step.FAIL, S.FAILED)),
        (ended(None), Desired.RUNNING, True, (Step.REPLACE, S.FAILED)),
        (ended(None, jobs_run=1), Desired.RUNNING, True, (Step.FAIL, S.FAILED)),
        (ended(Outcome.FAILED, crashed=True), Desired.RUNNING, True, (Step.REPLACE, S.FAILED)),
        (ended(Outcome.FAILED, crashed=True, jobs_run=1), Desired.RUNNING, True, (Step.FAIL, S.FAILED)),
        (ended(Outcome.FAILED, crashed=True), Desired.STOPPED, True, (Step.FAIL, S.FAILED)),
        (ended(Outcome.FAILED, crashed=True), Desired.RUNNING, False, (Step.MARK_STOPPED, None)),
        (ended(None), Desired.STOPPED, True, (Step.MARK_STOPPED, None)),
        (ended(Outcome.STOPPED), Desired.STOPPED, False, (Step.MARK_STOPPED, None)),
        (ended(Outcome.FAILED), Desired.RUNNING, False, (Step.MARK_STOPPED, None)),
        (ended(None), Desired.RUNNING, False, (Step.LAUNCH, None)),
        (ended(None), Desired.STOPPED, False, (Step.MARK_STOPPED, None)),
        (ended(Outcome.FAILED), Desired.GONE, False, (Step.BEGIN_REMOVAL, None)),
        (NOTHING, Desired.RUNNING, True, (Step.FAIL, S.FAILED)),
        (ended(Outcome.DELETED), Desired.RUNNING, True, (Step.FAIL, S.FAILED)),
        (ended(Outcome.DELETED), Desired.RUNNING, False, (Step.FAIL, S.FAILED)),
        (ended(Outcome.OUTDATED), Desired.RUNNING, True, (Step.RENEW, None)),
        (ended(Outcome.OUTDATED), Desired.RUNNING, False, (Step.RENEW, None)),
        (ended(Outcome.OUTDATED), Desired.STOPPED, False, (Step.MARK_STOPPED, None)),
    ],
)
def test_how_processes_ended_decides_what_becomes_of_the_runner(
    processes: Observation, desired: Desired, ephemeral: bool, expected: tuple[Step, RunnerState | None]
) -> None:
    action = decided(runner(S.IDLE, desired=desired, ephemeral=ephemeral), processes)
    assert (action.step, action.state) == expected


@pytest.mark.parametrize(
    ("ephemeral", "jobs_run", "expected"),
    [(True, 1, (Step.COMPLETE, S.COMPLETED)), (True, 0, (Step.FAIL, S.FAILED)), (False, 1, (Step.LAUNCH, None))],
)
def test_a_runner_that_took_its_identity_away_after_a_job_has_completed_though_nobody_saw_it_end(
    ephemeral: bool, jobs_run: int, expected: tuple[Step, RunnerState | None]
) -> None:
    action = decided(runner(S.BUSY, ephemeral=ephemeral), ended(None, jobs_run=jobs_run), unconfigured=True)
    assert (action.step, action.state) == expected


def test_a_persistent_runner_that_died_right_after_its_start_is_not_started_again() -> None:
    row = runner(S.STARTING, ephemeral=False, started_at=NOW - 5)
    assert decided(row, ended(None)).step is Step.MARK_STOPPED


@pytest.mark.parametrize("outcome", [Outcome.OUTDATED, Outcome.STOPPED, Outcome.FAILED])
@pytest.mark.parametrize("ephemeral", [True, False])
def test_a_start_that_was_interrupted_is_not_judged_by_what_was_there_before(outcome: Outcome, ephemeral: bool) -> None:
    row = runner(S.STARTING, started_at=None, ephemeral=ephemeral)
    assert decided(row, ended(outcome)).step is Step.LAUNCH


@pytest.mark.parametrize("state", [S.PENDING, S.REGISTERED])
@pytest.mark.parametrize("desired", [Desired.RUNNING, Desired.STOPPED])
def test_an_interrupted_creation_fails(state: RunnerState, desired: Desired) -> None:
    action = decided(runner(state, started_at=None, desired=desired), NOTHING)
    assert (action.step, action.state) == (Step.FAIL, S.FAILED)
    assert "interrupted" in (action.reason or "")


@pytest.mark.parametrize(
    ("changes", "package", "step"),
    [
        ({"handle": None}, False, Step.FETCH_PACKAGE),
        ({"handle": None}, True, Step.PROVISION),
        ({}, True, Step.REGISTER),
        ({"state": S.REGISTERED}, True, Step.LAUNCH),
        ({"state": S.STARTING}, True, Step.LAUNCH),
    ],
)
def test_whoever_makes_a_runner_takes_one_step_after_another(
    changes: dict[str, Any], package: bool, step: Step
) -> None:
    row = runner(**{"state": S.PENDING, "started_at": None, **changes})
    assert decided(row, NOTHING, driven=True, package=package).step is step


@pytest.mark.parametrize(
    ("age", "online", "step"), [(119, False, Step.NOTHING), (121, False, Step.FAIL), (121, True, Step.NOTHING)]
)
def test_an_ephemeral_start_has_a_deadline_that_being_online_once_meets(age: float, online: bool, step: Step) -> None:
    processes = alive(Phase.STARTING, online_at=NOW if online else None)
    assert decided(runner(S.STARTING, started_at=NOW - age), processes).step is step


def test_a_start_whose_creator_died_before_it_wrote_when_it_began_has_that_deadline_too() -> None:
    row = runner(S.STARTING, started_at=None, changed_at=NOW - 121)
    assert decided(row, alive(Phase.STARTING)).step is Step.FAIL


def test_a_persistent_start_has_none_and_says_why_it_takes_so_long_once() -> None:
    row = runner(S.STARTING, ephemeral=False, started_at=NOW - 121)
    processes = alive(Phase.STARTING, error="Runner connect error: 503")
    action = decided(row, processes)
    assert action.step is Step.RECORD_REASON
    assert "Runner connect error: 503" in (action.reason or "")
    assert decided(row._replace(reason=action.reason), processes).step is Step.NOTHING


@pytest.mark.parametrize(
    ("absences", "phase", "step"),
    [
        (0, Phase.LISTENING, Step.NOTHING),
        (1, Phase.LISTENING, Step.NOTHING),
        (2, Phase.LISTENING, Step.REPLACE),
        (9, Phase.BUSY, Step.RECORD_STATE),
    ],
)
def test_github_must_miss_a_runner_twice_and_a_job_outweighs_it(absences: int, phase: Phase, step: Step) -> None:
    assert decided(runner(S.IDLE), alive(phase), absences=absences).step is step


@pytest.mark.parametrize(
    ("changes", "step"),
    [({"ephemeral": False}, Step.CONFIRM), ({"daemonize": False}, Step.FAIL), ({"jobs_run": 1}, Step.FAIL)],
)
def test_only_an_ephemeral_runner_that_somebody_still_waits_for_is_made_again(
    changes: dict[str, Any], step: Step
) -> None:
    processes = alive(jobs_run=changes.pop("jobs_run", 0))
    action = decided(runner(S.IDLE, **changes), processes, absences=2)
    assert (action.step, action.state) == (step, S.FAILED)


def test_one_that_is_to_stop_is_stopped_though_github_lost_it() -> None:
    assert decided(runner(S.IDLE, desired=Desired.STOPPED), alive(), absences=2).step is Step.DRAIN


@pytest.mark.parametrize("processes", [ended(Outcome.FAILED), ended(Outcome.STOPPED), ended(None), NOTHING])
def test_a_persistent_runner_that_should_run_rests_longer_each_time_and_never_for_good(processes: Observation) -> None:
    for ends, pause in [(1, 5), (2, 10), (4, 40), (7, 300), (60, 300)]:
        for age, step in [(pause - 1, Step.WAIT), (pause + 1, Step.LAUNCH)]:
            row = runner(S.STOPPED, ephemeral=False, changed_at=NOW - age, reason="fatal error")
            action = decided(row, processes, ends=ends)
            assert action.step is step
            assert action.until == (1.0 if step is Step.WAIT else None)


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
        assert decided(row, ended(Outcome.FAILED), ends=1, absences=absences).step is Step.NOTHING


@pytest.mark.parametrize("changes", [{"ephemeral": True}, {"daemonize": False}, {"ephemeral": False}])
def test_one_that_rests_is_started_when_somebody_wants_that(changes: dict[str, Any]) -> None:
    row = runner(S.STOPPED, wants=2, started_wants=1, changed_at=NOW - 10, **changes)
    assert decided(row, ended(Outcome.STOPPED)).step is Step.LAUNCH
    assert decided(row._replace(started_wants=2), ended(Outcome.STOPPED), ends=9).step is not Step.LAUNCH


def test_a_registration_that_is_gone_is_not_tried_again() -> None:
    row = runner(S.STOPPED, ephemeral=False, changed_at=NOW - 9999)
    assert decided(row, ended(Outcome.DELETED), ends=1).step is Step.NOTHING


def test_a_version_that_github_refuses_is_renewed_after_the_rest_unless_its_scope_is_left_alone() -> None:
    row = runner(S.STOPPED, ephemeral=False, changed_at=NOW - 9999)
    assert decided(row, ended(Outcome.OUTDATED), ends=1).step is Step.RENEW
    assert decided(row, ended(Outcome.OUTDATED), ends=1, held_back=30.0).step is Step.WAIT
    assert decided(runner(S.IDLE), ended(Outcome.OUTDATED), held_back=30.0).step is Step.WAIT


@pytest.mark.parametrize("ephemeral", [True, False])
def test_a_restart_for_a_newer_version_gets_that_version_unless_somebody_has_wanted_another_since(
    ephemeral: bool,
) -> None:
    row = runner(S.STOPPED, ephemeral=ephemeral, how=How.DRAIN, wants=2, started_wants=1, wanted_by=RENEWAL)
    assert decided(row, ended(Outcome.STOPPED)).step is Step.RENEW
    assert decided(row._replace(wanted_by="command"), ended(Outcome.STOPPED)).step is Step.LAUNCH
    assert decided(row._replace(started_wants=2), ended(Outcome.STOPPED)).step is not Step.RENEW
    gone = row._replace(desired=Desired.GONE, state=S.STOPPED)
    assert decided(gone, ended(Outcome.STOPPED)).step is Step.BEGIN_REMOVAL


def test_a_job_is_finished_before_a_newer_version_is_given() -> None:
    row = runner(S.BUSY, ephemeral=False, how=How.DRAIN, wants=2, started_wants=1, wanted_by=RENEWAL)
    busy = Observation(running=True, supervised=True, pid=5, phase=Phase.BUSY, stop_asked=True, online_at=NOW)
    assert decided(row._replace(state=S.STOPPING), busy).step is Step.WAIT


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
    assert decided(half_made, NOTHING, accepted=True).step is Step.LAUNCH
    assert decided(half_made, NOTHING, accepted=False).step is Step.FAIL


def test_a_start_whose_starter_died_is_done_again_at_once() -> None:
    row = runner(S.STARTING, ephemeral=False, started_at=None)
    assert decided(row, NOTHING).step is Step.LAUNCH


@pytest.mark.parametrize(
    ("age", "working", "step"), [(10, False, Step.WAIT), (99, False, Step.KILL), (99, True, Step.WAIT)]
)
def test_a_stop_has_a_deadline_that_a_job_suspends(age: float, working: bool, step: Step) -> None:
    row = runner(S.STOPPING, desired=Desired.STOPPED, changed_at=NOW - age)
    assert decided(row, alive(stop_asked=True), working=working).step is step


def test_a_runner_that_just_ended_its_last_job_is_given_time_to_leave() -> None:
    row = runner(S.STOPPING, desired=Desired.STOPPED, changed_at=NOW - 4000)
    assert decided(row, alive(stop_asked=True, last_job_ended_at=NOW - 5)).step is Step.WAIT


@pytest.mark.parametrize("desired", [Desired.RUNNING, Desired.STOPPED])
@pytest.mark.parametrize("working", [True, False])
def test_a_stop_that_was_never_asked_for_is_asked_for(working: bool, desired: Desired) -> None:
    """Its command was killed in between; a job is finished first."""
    row = runner(S.STOPPING, desired=desired, changed_at=NOW - 1)
    assert decided(row, alive(), working=working).step is Step.DRAIN


@pytest.mark.parametrize(("now", "step"), [(False, Step.DRAIN), (True, Step.INTERRUPT)])
@pytest.mark.parametrize("desired", [Desired.STOPPED, Desired.RUNNING])
def test_a_stop_and_a_restart_finish_a_job_first_unless_it_is_to_be_now(
    desired: Desired, now: bool, step: Step
) -> None:
    row = runner(S.BUSY, desired=desired, how=How.NOW if now else How.DRAIN, wants=2, started_wants=1)
    assert decided(row, alive(Phase.BUSY)).step is step


def test_a_restart_starts_what_has_ended_and_what_rests_and_is_done_when_that_runs() -> None:
    wish = {"how": How.DRAIN, "wants": 2, "started_wants": 1}
    ephemeral = decided(runner(S.STOPPING, **wish), ended(Outcome.STOPPED))
    assert ephemeral.step is Step.MARK_STOPPED
    assert decided(runner(S.STOPPED, **wish), ended(Outcome.STOPPED)).step is Step.LAUNCH
    assert decided(runner(S.IDLE, **{**wish, "started_wants": 2}), alive()).step is Step.NOTHING


LADDER = {"desired": Desired.STOPPED, "how": How.NOW, "boot_id": "this boot"}


@pytest.mark.parametrize(
    ("changes", "heard", "step"),
    [
        ({"deadline": BOOT + 45}, False, Step.WAIT),
        ({"deadline": BOOT + 40}, False, Step.INTERRUPT),
        ({"deadline": BOOT + 40}, True, Step.WAIT),
        ({"deadline": BOOT - 1}, True, Step.KILL),
        ({"deadline": BOOT - 1}, False, Step.KILL),
        ({"deadline": BOOT + 40, "boot_id": "another boot"}, True, Step.KILL),
        ({"deadline": None}, True, Step.INTERRUPT),
    ],
    ids=["just told", "not heard of", "heard of", "over", "over, not heard of", "another boot", "never told"],
)
@pytest.mark.parametrize("state", [S.STOPPING, S.REMOVING])
def test_a_stop_ladder_is_climbed_once_and_ends_in_time(
    state: RunnerState, changes: dict[str, Any], heard: bool, step: Step
) -> None:
    row = runner(state, **{**LADDER, **changes})
    if state is S.REMOVING:
        # One that is to be gone now has less time.
        shorter = DEADLINES.ladder - DEADLINES.force
        deadline = row.deadline and (row.deadline if row.deadline < BOOT else row.deadline - shorter)
        row = row._replace(desired=Desired.GONE, deadline=deadline)
    assert decided(row, alive(stop_asked=heard)).step is step


REMOVING = {"desired": Desired.GONE, "wanted_at": NOW - 60}


@pytest.mark.parametrize(
    ("how", "state", "asked", "step"),
    [
        (How.GENTLE, S.BUSY, False, Step.REFUSE),
        (How.GENTLE, S.REMOVING, False, Step.REFUSE),
        (How.DRAIN, S.BUSY, False, Step.BEGIN_REMOVAL),
        (How.DRAIN, S.REMOVING, False, Step.DRAIN),
        (How.DRAIN, S.REMOVING, True, Step.WAIT),
        (How.NOW, S.BUSY, False, Step.INTERRUPT),
    ],
)
def test_a_job_is_finished_or_refuses_its_removal_or_is_cut_off_as_it_is_wanted(
    how: How, state: RunnerState, asked: bool, step: Step
) -> None:
    assert decided(runner(state, how=how, **REMOVING), alive(Phase.BUSY, stop_asked=asked)).step is step


@pytest.mark.parametrize(("asked", "step"), [(False, Step.DRAIN), (True, Step.WAIT)])
def test_a_job_that_comes_to_a_runner_whose_removal_waits_for_github_is_finished(asked: bool, step: Step) -> None:
    """Whoever asked was told that the removal goes on by itself."""
    row = runner(S.REMOVING, **REMOVING)
    assert decided(row, alive(Phase.BUSY, stop_asked=asked), orphaned=True).step is step


def test_a_worker_that_may_just_be_leaving_refuses_no_removal_yet() -> None:
    action = decided(runner(S.BUSY, desired=Desired.GONE, wanted_at=NOW - 0.5), alive(Phase.BUSY))
    assert (action.step, action.until) == (Step.WAIT, 1.0)


@pytest.mark.parametrize("state", [S.STOPPING, S.REMOVING])
def test_no_time_ends_the_wait_for_a_job_that_is_finished_first(state: RunnerState) -> None:
    wanted = {"desired": Desired.STOPPED, "how": How.DRAIN} if state is S.STOPPING else {"how": How.DRAIN, **REMOVING}
    row = runner(state, settle_until=BOOT + 55, boot_id="this boot", **wanted)
    action = decided(row, alive(Phase.BUSY, stop_asked=True))
    assert (action.step, action.until) == (Step.WAIT, None)


@pytest.mark.parametrize(
    ("changes", "working", "step"),
    [
        ({}, False, Step.DEREGISTER),
        ({"due": NOW + 5}, False, Step.WAIT),
        ({}, True, Step.REFUSE),
        ({"deregistered_at": NOW}, True, Step.WAIT),
        ({"deregistered_at": NOW}, False, Step.INTERRUPT),
        ({"deregistered_at": NOW, "settle_until": BOOT + 3, "boot_id": "this boot"}, False, Step.WAIT),
        ({"deregistered_at": NOW, "settle_until": BOOT - 1, "boot_id": "this boot"}, False, Step.INTERRUPT),
    ],
    ids=["", "put off", "a job", "a job behind its registration", "deregistered", "settling", "settled"],
)
def test_a_removal_without_its_command_goes_on_unless_a_job_or_github_is_in_the_way(
    changes: dict[str, Any], working: bool, step: Step
) -> None:
    row = runner(S.REMOVING, **REMOVING, **changes)
    assert decided(row, alive(stop_asked=working), working=working).step is step


@pytest.mark.parametrize(
    ("how", "job_ended", "step"),
    [
        (How.GENTLE, None, Step.REFUSE),
        (How.GENTLE, 5, Step.WAIT),
        (How.GENTLE, 20, Step.REFUSE),
        (How.DRAIN, None, Step.WAIT),
        (How.NOW, None, Step.INTERRUPT),
    ],
)
def test_what_github_calls_busy_is_kept_unless_its_listener_has_just_told_of_the_jobs_end(
    how: How, job_ended: float | None, step: Step
) -> None:
    row = runner(S.REMOVING, how=how, **REMOVING, due=NOW + 1, last_error=failures.kept(GitHubBusy("a job")))
    last = None if job_ended is None else NOW - job_ended
    assert decided(row, alive(last_job_ended_at=last), refused=True).step is step


def test_a_removal_ends_as_it_was_meant_to() -> None:
    row = runner(S.REMOVING, ending=S.COMPLETED, reason="done", deregistered_at=NOW)
    action = decided(row, ended(Outcome.STOPPED))
    assert (action.step, action.state, action.reason) == (Step.END_LIFE, S.COMPLETED, "done")


def test_without_processes_its_registration_goes_first_or_is_an_orphan() -> None:
    row = runner(S.REMOVING, **REMOVING)
    assert decided(row, NOTHING).step is Step.DEREGISTER
    assert decided(row._replace(due=NOW + 5), NOTHING).step is Step.WAIT
    action = decided(row, NOTHING, orphaned=True)
    assert (action.step, action.state) == (Step.END_LIFE, S.REMOVED)


@pytest.mark.parametrize("due", [NOW - 1, NOW + 4000])
def test_nothing_waits_for_a_time_that_was_set_before_the_clock_was_set_back(due: float) -> None:
    assert decided(runner(S.REMOVING, **REMOVING, due=due), alive()).step is Step.DEREGISTER


@pytest.mark.parametrize("state", [S.COMPLETED, S.FAILED, S.REMOVED])
def test_of_an_ended_life_only_its_orphan_is_cleared_when_that_is_due(state: RunnerState) -> None:
    row = runner(state, desired=Desired.GONE)
    assert decided(row, NOTHING).step is Step.NOTHING
    assert decided(row, NOTHING, orphaned=True).step is Step.CLEAR_ORPHAN
    assert decided(row, NOTHING, orphaned=True, put_off=True).step is Step.NOTHING


def test_a_stopped_runner_is_left_alone() -> None:
    assert decided(runner(S.STOPPED, desired=Desired.STOPPED), ended(Outcome.STOPPED)).step is Step.NOTHING


@pytest.mark.parametrize("processes", [alive(), alive(Phase.BUSY, job="build"), alive(Phase.STARTING)])
def test_a_runner_whose_repository_has_become_public_is_withdrawn_once(processes: Observation) -> None:
    exposed = runner(S.STARTING, exposed_at=NOW, started_at=NOW)
    assert decided(exposed, processes).step is Step.DRAIN_EXPOSED
    asked = exposed._replace(state=S.STOPPING, desired=Desired.STOPPED, changed_at=NOW)
    assert decided(asked, processes._replace(stop_asked=True)).step is Step.WAIT


def test_an_exposed_runner_is_neither_started_nor_made_again_by_itself() -> None:
    persistent = runner(ephemeral=False, exposed_at=NOW)
    assert decided(persistent, NOTHING).step is Step.MARK_STOPPED
    assert decided(persistent, ended(Outcome.OUTDATED)).step is Step.MARK_STOPPED
    for ephemeral in (True, False):  # a list may be wrong: it is withdrawn, and its registration with it
        lost = runner(exposed_at=NOW, ephemeral=ephemeral)
        assert decided(lost, alive(), absences=2).step is Step.DRAIN_EXPOSED


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, Wanted.RUN),
        ({"how": How.DRAIN}, Wanted.RUN),
        ({"how": How.DRAIN, "wants": 1}, Wanted.RESTART),
        ({"how": How.NOW, "wants": 1}, Wanted.RESTART_NOW),
        ({"wants": 1}, Wanted.RUN),
        ({"desired": Desired.STOPPED}, Wanted.STOP),
        ({"desired": Desired.STOPPED, "how": How.DRAIN}, Wanted.STOP),
        ({"desired": Desired.STOPPED, "how": How.NOW}, Wanted.STOP_NOW),
        ({"desired": Desired.GONE}, Wanted.GONE),
        ({"desired": Desired.GONE, "how": How.DRAIN}, Wanted.GONE_AFTER_JOB),
        ({"desired": Desired.GONE, "how": How.NOW}, Wanted.GONE_NOW),
        ({"state": S.REMOVING}, Wanted.GONE),
    ],
)
def test_what_is_wanted_is_read_from_the_row(changes: dict[str, Any], what: Wanted) -> None:
    assert wanted(runner(**changes)) is what


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
    assert shown_state(runner(S.STARTING, started_at=None), NOTHING) is S.STARTING
    assert shown_state(runner(S.STARTING, started_at=None), ended(Outcome.STOPPED)) is S.STARTING
