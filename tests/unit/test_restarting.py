"""When a persistent runner that ended is started again; how its ends are counted is beside ``plan``'s tests."""

from __future__ import annotations

from typing import Any

import pytest

from runnerctl.core.domain.models import Event
from runnerctl.core.domain.states import Desired
from runnerctl.core.domain.states import RunnerState as S
from runnerctl.core.engine import restarting
from tests.unit.test_plan import NOW, runner

PERSISTENT: dict[str, Any] = {"ephemeral": False}


@pytest.mark.parametrize(
    ("changes", "lasting"),
    [
        (PERSISTENT, True),
        ({**PERSISTENT, "desired": Desired.STOPPED}, True),
        ({"ephemeral": True}, False),
        ({**PERSISTENT, "daemonize": False}, False),
        ({**PERSISTENT, "exposed_at": NOW}, False),
    ],
)
def test_what_lasts_is_persistent_no_processs_own_and_may_serve_its_repository(
    changes: dict[str, Any], lasting: bool
) -> None:
    row = runner(**changes)
    assert restarting.is_lasting(row) is lasting
    assert restarting.is_wanted(row) is (lasting and row.desired is Desired.RUNNING)


def test_a_pause_doubles_from_five_seconds_to_five_minutes_and_begins_with_the_first_end() -> None:
    assert [restarting.pause(ends) for ends in (0, 1, 2, 3, 6, 7, 9999)] == [0, 5, 10, 20, 160, 300, 300]


@pytest.mark.parametrize(("rested", "left"), [(0, 10), (4, 6), (10, 0), (9999, 0), (-4, 6), (-9999, 0)])
def test_a_clock_that_was_set_back_makes_nobody_rest_longer(rested: float, left: float) -> None:
    assert restarting.left(runner(changed_at=NOW - rested), 2, NOW) == left


def test_no_history_however_it_began_is_no_end() -> None:
    assert restarting.ends_in_a_row([]) == 0
    assert restarting.ends_in_a_row([Event(runner_id="a", at=0, old=None, new=S.PENDING, reason=None)]) == 0


def test_the_last_events_that_are_read_hold_as_many_ends_as_lengthen_the_pause() -> None:
    """Each end takes two or three events: stopped, starting, idle."""
    longest = next(ends for ends in range(99) if restarting.pause(ends) == restarting.MOST_SECONDS)
    assert 3 * longest <= restarting.EVENTS
