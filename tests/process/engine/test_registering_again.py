"""A persistent runner whose registration GitHub has deleted while it was stopped."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from runnerctl import core
from runnerctl.core.domain.errors import GitHubUnavailable, InvalidTransition
from runnerctl.core.domain.states import Desired, RunnerState
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.breaking.commits import MOST_COMMITS, crash
from tests.support.hosts.clocks import JumpingClock
from tests.support.hosts.host import Host, create, remove, start, stop

pytestmark = [pytest.mark.persistent, pytest.mark.long]
NAME = "steady"
ALL = "ALL_MOMENTS" in os.environ
S = RunnerState


def current(services: Services, name: str = NAME) -> core.Runner:
    runner = services.store.latest(name)
    assert runner is not None
    return runner


def stopped(services: Services, host: Host, name: str = NAME) -> core.Runner:
    create(services, host.spec(name, ephemeral=False), wait=core.Wait.ONLINE)
    stop(services, name)
    return current(services, name)


def deleted(services: Services, host: Host, sandbox: Sandbox, name: str = NAME) -> int:
    """The id of the registration that was there."""
    github_id = stopped(services, host, name).github_id
    assert github_id is not None
    sandbox.delete_runner(github_id)
    return github_id


def test_a_github_that_cannot_be_asked_keeps_nobody_from_starting(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    before = stopped(services, host)
    sandbox.add_fault(Fault(match=r"GET /repos/.*/actions/runners", status=503, times=None))
    assert start(services, NAME).github_id == before.github_id
    sandbox.wait_runner(NAME)


@pytest.mark.parametrize("fault", [r"GET .*/actions/runners/\d+$", r"GET .*/actions/runners$"])
def test_one_negative_answer_is_not_believed(services: Services, host: Host, sandbox: Sandbox, fault: str) -> None:
    before = stopped(services, host)
    nobody = {"total_count": 0, "runners": []}
    status = 404 if "+" in fault else 200
    sandbox.add_fault(Fault(match=fault, status=status, body=nobody, times=None))
    assert start(services, NAME).github_id == before.github_id


def test_what_is_refused_changes_nothing(services: Services, host: Host, sandbox: Sandbox) -> None:
    deleted(services, host, sandbox)
    before = current(services)
    for command in (core.start_runner, core.restart_runner):
        with pytest.raises(InvalidTransition, match="registration"):
            core.finish(command(services, NAME), clock=services.clock)
    assert current(services) == before


@pytest.mark.parametrize("command", [core.start_runner, core.restart_runner])
def test_until_github_has_been_asked_nothing_is_begun(
    services: Services, host: Host, sandbox: Sandbox, command: Callable[..., core.Operation[Any]]
) -> None:
    """Whoever must not wait hands the question on, and begins anew; it is asked once."""
    before = stopped(services, host)
    asked = len(sandbox.calls)
    operation = command(services, NAME)
    question = operation.begin()
    assert question is not None
    assert (current(services), len(sandbox.calls)) == (before, asked)
    question()
    assert len(sandbox.calls) > asked
    asked = len(sandbox.calls)
    assert current(services) == before
    assert operation.begin() is None
    assert current(services).desired is Desired.RUNNING
    assert len(sandbox.calls) == asked


def test_one_that_was_registered_anew_while_github_was_asked_is_asked_about_again(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    deleted(services, host, sandbox)
    operation = core.start_runner(services, NAME)
    question = operation.begin()
    assert question is not None
    question()
    start(services, NAME, register=True)
    stop(services, NAME)
    again = operation.begin()
    assert again is not None
    again()
    assert operation.begin() is None
    assert core.finish(core.start_runner(services, NAME)).github_id == current(services).github_id


def test_one_that_is_registered_is_not_registered_again(services: Services, host: Host, sandbox: Sandbox) -> None:
    before = stopped(services, host)
    assert start(services, NAME, register=True).github_id == before.github_id
    assert [each.id for each in sandbox.runners()] == [before.github_id]


def test_a_registration_that_fails_is_tried_again_until_somebody_stops_it(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    services.clock = clock = JumpingClock()
    gone = deleted(services, host, sandbox)
    sandbox.add_fault(Fault(match="POST .*registration-token$", status=503, times=None))
    with pytest.raises(GitHubUnavailable):
        start(services, NAME, register=True)
    assert (current(services).state, current(services).desired) == (S.STOPPED, Desired.RUNNING)
    stop(services, NAME)
    with pytest.raises(InvalidTransition, match="registration"):
        start(services, NAME)
    with pytest.raises(GitHubUnavailable):
        start(services, NAME, register=True)
    sandbox.clear_faults()
    clock.ahead += 400
    sweep(services)
    sandbox.wait_runner(NAME)
    assert [each.id for each in sandbox.runners()] == [current(services).github_id] != [gone]


def test_a_removal_clears_what_a_start_has_just_registered(services: Services, host: Host, sandbox: Sandbox) -> None:
    deleted(services, host, sandbox)
    start(services, NAME, register=True)
    sandbox.wait_runner(NAME)
    remove(services, NAME)
    assert (sandbox.runners(), host.roots()) == ([], [])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_start_that_was_killed_at_any_commit_leaves_one_registration_that_is_used(
    services: Services, host: Host, sandbox: Sandbox, when: str
) -> None:
    """In short the odd commits are killed before they are made, the even ones after; ``make soak`` tries all."""
    went_on = 0
    for number in range(1, MOST_COMMITS) if ALL else range(1 + (when == "after"), MOST_COMMITS, 2):
        name = f"r{number}"
        deleted(services, host, sandbox, name)
        if not crash(host, "start register", name, number, when):
            break
        sweep(services)
        if current(services, name).desired is Desired.STOPPED:
            continue  # it died before it had said what it wants
        sandbox.wait_runner(name)
        registered = [each.id for each in sandbox.runners() if each.name == name]
        assert registered == [current(services, name).github_id]
        went_on += 1
    assert went_on
