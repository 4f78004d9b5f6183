"""What GitHub says of runners whose processes live: what counts, what is done about it, and what is only said."""

from __future__ import annotations

from typing import Any

import pytest

from runnerctl.core.domain import documents
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.observation import Observation, Phase
from runnerctl.core.domain.observed_state import has_reconnected, observed_state
from runnerctl.core.domain.states import Desired, How, RunnerState
from runnerctl.core.engine.plan import OFFLINE, Action
from runnerctl.core.engine.table import Step
from tests.unit.test_plan import NOW, alive, decided, ended, runner

S = RunnerState
LISTED = {"github_status": "offline", "github_busy": False, "github_seen_at": NOW - 5, "offline_since": NOW - 70}
"""Offline in two listings, 65 s apart; the last has just been made."""


def seen_offline(*, processes: Observation | None = None, more: dict[str, Any] | None = None, **row: Any) -> Action:
    return decided(runner(S.IDLE, **{**LISTED, **row}), processes or alive(), **(more or {}))


def test_a_persistent_one_that_is_offline_in_two_listings_is_restarted() -> None:
    action = seen_offline(ephemeral=False)
    assert (action.step, action.reason) == (Step.RESTART, OFFLINE)


def test_whoever_says_that_it_connects_is_no_less_offline() -> None:
    """A job can make its runner say so."""
    connecting = alive(Phase.CONNECTING, error="Runner connect error: forged")
    action = seen_offline(ephemeral=False, processes=connecting)
    assert (action.step, action.reason) == (Step.RESTART, OFFLINE)


@pytest.mark.parametrize("state", [S.STARTING, S.IDLE])
@pytest.mark.parametrize("ephemeral", [True, False])
def test_that_it_connects_alone_leads_to_nothing(state: RunnerState, ephemeral: bool) -> None:
    connecting = alive(Phase.CONNECTING, error="Runner connect error: forged")
    assert decided(runner(state, ephemeral=ephemeral), connecting).step is Step.NOTHING


def shown(row: Runner, processes: Observation) -> documents.Status:
    return documents.Status(name=row.name, runner=row, seen=processes, degraded=None, now=NOW)


def test_one_that_connects_is_shown_so_wherever_a_state_is_and_its_row_does_not_change() -> None:
    connecting = alive(Phase.CONNECTING)
    for state in (S.STARTING, S.IDLE):
        document = documents.status_document(shown(runner(state), connecting))
        assert (document["state"], document["phase"]) == ("connecting", "connecting")
        assert observed_state(runner(state), connecting) is state
    assert documents.status_document(shown(runner(S.STOPPING), connecting))["state"] == "stopping"
    assert documents.status_document(shown(runner(S.IDLE), alive()))["state"] == "idle"
    assert observed_state(runner(S.BUSY), connecting) is S.IDLE, "its job is over"


@pytest.mark.parametrize(
    ("row", "since", "back"),
    [
        ({"github_status": "online", "github_seen_at": NOW - 5}, NOW - 156, True),
        ({"github_status": "online", "github_seen_at": NOW - 5}, NOW - 100, False),
        ({"github_status": "offline", "github_seen_at": NOW - 5}, NOW - 900, False),
        ({"github_status": None, "github_seen_at": None}, NOW - 900, False),
    ],
)
def test_a_listener_that_does_not_say_that_it_is_back_is_so_by_githubs_list(
    row: dict[str, Any], since: float, back: bool
) -> None:
    connecting = alive(Phase.CONNECTING, phase_at=since)
    assert has_reconnected(runner(S.IDLE, **row), connecting) is back
    assert not has_reconnected(runner(S.IDLE, **row), alive(phase_at=since))


def test_an_ephemeral_one_that_waits_for_its_job_is_made_again() -> None:
    action = seen_offline()
    assert (action.step, action.state, action.reason) == (Step.REPLACE, S.FAILED, OFFLINE)


@pytest.mark.parametrize("ephemeral", [True, False])
@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"offline_since": None, "github_status": "online"}, id="it is online"),
        pytest.param({"offline_since": NOW - 5}, id="in one listing"),
        pytest.param({"offline_since": NOW - 64}, id="in two that are less than a minute apart"),
        pytest.param({"started_at": NOW - 69}, id="before it was started"),
        pytest.param({"github_seen_at": NOW - 91, "offline_since": NOW - 600}, id="the last listing is long ago"),
    ],
)
def test_nothing_is_done_when(ephemeral: bool, row: dict[str, Any]) -> None:
    assert seen_offline(ephemeral=ephemeral, **row).step is Step.NOTHING


@pytest.mark.parametrize("ephemeral", [True, False])
@pytest.mark.parametrize(
    ("processes", "working"),
    [
        pytest.param(alive(), True, id="a Worker lives"),
        pytest.param(alive(Phase.UPDATING), False, id="it updates itself"),
        pytest.param(alive(last_job_ended_at=NOW - 60), False, id="its job has just ended"),
        pytest.param(alive(online_at=None), False, id="it has never been online"),
    ],
)
def test_nothing_is_restarted_nor_replaced_while(ephemeral: bool, processes: Observation, working: bool) -> None:
    step = seen_offline(ephemeral=ephemeral, processes=processes, more={"working": working}).step
    assert step not in {Step.RESTART, Step.REPLACE, Step.FAIL}


@pytest.mark.parametrize(
    ("row", "more"),
    [
        pytest.param({"github_busy": True}, {}, id="GitHub has given it a job"),
        pytest.param({"daemonize": False}, {}, id="it belongs to a process"),
        pytest.param({}, {"replaced": False}, id="the settings say so"),
    ],
)
def test_an_ephemeral_one_is_not_made_again_when(row: dict[str, Any], more: dict[str, Any]) -> None:
    assert seen_offline(more=more, **row).step is Step.NOTHING


def test_an_ephemeral_one_that_had_its_job_is_not_made_again() -> None:
    assert seen_offline(processes=alive(jobs_run=1, last_job_ended_at=NOW - 500)).step is Step.NOTHING


def test_what_somebody_wants_goes_first() -> None:
    assert seen_offline(ephemeral=False, desired=Desired.STOPPED, how=How.DRAIN).step is Step.DRAIN
    assert seen_offline(ephemeral=False, exposed_at=NOW).step is Step.DRAIN_EXPOSED


def test_a_restart_is_wanted_once() -> None:
    assert seen_offline(ephemeral=False, wants=1, how=How.DRAIN).step is Step.DRAIN


# -- a registration that is gone


def stopped(**changes: Any) -> Runner:
    return runner(S.STOPPED, ephemeral=False, started_at=None, **changes)


def test_one_that_is_to_get_another_registration_gets_it_before_it_is_launched() -> None:
    row = stopped(github_id=None, wants=1)
    assert decided(row, ended(None)).step is Step.REGISTER_AGAIN
    assert decided(row._replace(github_id=8), ended(None)).step is Step.LAUNCH


def test_a_registration_that_failed_is_tried_again_when_its_time_has_come() -> None:
    row = stopped(github_id=None, wants=1, due=NOW + 5)
    assert decided(row, ended(None)).step is Step.WAIT
    assert decided(row._replace(desired=Desired.STOPPED), ended(None)).step is Step.NOTHING


# -- what is shown


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (89, {"status": "online", "busy": False, "age": 89.0}),
        (91, {"status": "unknown", "busy": None, "age": 91.0}),
    ],
)
def test_what_github_said_longer_ago_than_a_listing_is_due_is_unknown(age: float, shown: dict[str, Any]) -> None:
    row = runner(github_status="online", github_seen_at=NOW - age)
    assert documents.github_document(row, NOW) == shown


@pytest.mark.parametrize(
    ("row", "processes", "text"),
    [
        ({}, alive(), f"{OFFLINE}, since 70 s"),
        ({}, alive(Phase.BUSY, job="build"), None),
        ({}, ended(None), None),
        ({"github_seen_at": NOW - 91}, alive(), None),
        ({"started_at": NOW - 60}, alive(), None),
    ],
)
def test_that_it_is_offline_is_told_of_one_that_should_be_online(
    row: dict[str, Any], processes: Observation, text: str | None
) -> None:
    assert documents.offline_text(runner(**{**LISTED, **row}), processes, NOW) == text
