"""A Listener, or all of a runner, that was killed: case B4, by real kills."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from runnerctl.sandbox import Sandbox

from .jobs import Job
from .machine import Machine, alive, kill, until

NAME = "crashed"


def listener_alone(machine: Machine) -> list[int]:
    return [machine.listener(NAME)]


def whole_tree(machine: Machine) -> list[int]:
    return [*machine.supervisors(), machine.listener(NAME), *machine.workers()]


def killed(machine: Machine, whom: Callable[[Machine], list[int]], number: signal.Signals = signal.SIGKILL) -> None:
    pids = whom(machine)
    for pid in pids:
        kill(pid, number)
    until(lambda: not any(map(alive, pids)))


def is_online(github: Sandbox) -> bool:
    return [runner.status for runner in github.runners()] == ["online"]


@pytest.mark.parametrize("whom", [listener_alone, whole_tree])
def test_an_ephemeral_runner_that_waited_is_made_again_under_its_name(
    machine: Machine, github: Sandbox, whom: Callable[[Machine], list[int]]
) -> None:
    server = machine.serve()
    first = server.made(NAME)
    killed(machine, whom)
    until(lambda: server.runner(NAME)["id"] != first["id"] and server.status(NAME)["state"] == "idle", seconds=30)
    github.wait_runner(NAME)
    assert len(github.runners()) == 1, "of the first, nothing is left"
    job = Job.submit(machine, github, NAME)
    assert job.let_go().conclusion == "success"
    until(lambda: server.status(NAME)["state"] == "completed")
    assert github.runners() == []


def test_it_is_made_again_where_no_server_runs(machine: Machine, github: Sandbox) -> None:
    machine.create(NAME, "--wait", "online")
    (first,) = github.runners()
    killed(machine, listener_alone, signal.SIGSEGV)
    until(lambda: [runner.id for runner in github.runners()] not in ([], [first.id]) and is_online(github), seconds=30)
    machine.cli("remove", NAME)
    assert github.runners() == []


def test_after_the_death_of_all_a_reconcile_makes_it_again(machine: Machine, github: Sandbox) -> None:
    machine.create(NAME, "--wait", "online")
    (first,) = github.runners()
    killed(machine, whole_tree)
    assert machine.cli("reconcile").status == 0
    until(lambda: [runner.id for runner in github.runners()] not in ([], [first.id]) and is_online(github))


@pytest.mark.parametrize("setting", ["replace_lost", "a stop"])
def test_one_that_nobody_counts_on_is_not_made_again(machine: Machine, github: Sandbox, setting: str) -> None:
    if setting == "replace_lost":
        machine.set(RUNNERCTL_REPLACE_LOST="false")
    machine.create(NAME, "--wait", "online")
    if setting == "a stop":
        assert machine.cli("stop", NAME).status == 0
    else:
        killed(machine, whole_tree)
    machine.cli("reconcile")
    assert not machine.supervisors()
    assert [item["state"] for item in machine.cli("-o", "json", "list").document["items"]] in ([], ["stopped"])
    machine.cli("remove", NAME)


def test_an_ephemeral_runner_that_had_its_job_ends_with_it(machine: Machine, github: Sandbox) -> None:
    """Its Worker goes on without the Listener, and reports the job's end."""
    server = machine.serve()
    first = server.made(NAME)
    job = Job.running(machine, github, NAME)
    killed(machine, listener_alone)
    assert job.let_go().conclusion == "success"
    until(lambda: server.status(NAME)["status"] == "not_installed")
    assert server.runner(NAME)["id"] == first["id"]
    until(lambda: github.runners() == [])


@pytest.mark.persistent
def test_a_persistent_runner_shows_why_it_rests_and_is_started_again(machine: Machine, github: Sandbox) -> None:
    server = machine.serve()
    first = server.made(NAME, ephemeral=False)
    (registered,) = github.runners()
    killed(machine, listener_alone)
    until(lambda: server.status(NAME)["state"] != "idle")
    until(lambda: server.status(NAME)["state"] == "idle", seconds=30)
    now = server.runner(NAME)
    assert now["id"] == first["id"]
    rested = [event for event in now["history"] if event["to"] == "stopped"]
    assert [event["reason"] for event in rested] == ["killed, or out of memory"]
    assert [runner.id for runner in github.runners()] == [registered.id]


@pytest.mark.persistent
def test_a_persistent_runner_whose_listener_died_in_a_job_lets_the_job_end_first(
    machine: Machine, github: Sandbox
) -> None:
    server = machine.serve()
    server.made(NAME, ephemeral=False)
    job = Job.running(machine, github, NAME)
    workers = machine.workers()
    killed(machine, listener_alone)
    assert server.status(NAME)["state"] == "busy"
    assert all(map(alive, workers))
    assert job.let_go().conclusion == "success"
    until(lambda: server.status(NAME)["state"] == "idle", seconds=30)
