"""Outages, deletions and frozen processes, as they were met with real runners."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runnerctl.sandbox import Fault, Sandbox
from runnerctl.sandbox.state import Settings
from tests.support.hosts.loopback import place

from .jobs import Job
from .machine import SOON, Machine, alive, freeze, kill, until

pytestmark = pytest.mark.long

NAME = "steady"
persistent = pytest.mark.persistent


@pytest.fixture
def github(archive: Path) -> Iterator[Sandbox]:
    """It takes a runner for offline half a second after its last poll."""
    settings = Settings(session_seconds=1.0, broken_session_seconds=0.2)
    with Sandbox(**place(), archive=archive, poll_seconds=0.3, settings=settings) as running:
        yield running


def online(github: Sandbox) -> bool:
    return any((runner.name, runner.status) == (NAME, "online") for runner in github.runners())


# -- one refusal of the token service


@persistent
def test_one_invalid_client_at_the_start_is_not_a_persistent_runners_end(machine: Machine, github: Sandbox) -> None:
    machine.create(NAME, "--persistent", "--wait", "online")
    (registered,) = github.runners()
    assert machine.cli("stop", NAME).status == 0
    github.add_fault(Fault(match="POST .*token$", status=400, body={"error": "invalid_client"}))
    machine.cli("start", NAME)
    until(lambda: machine.cli("reconcile", ahead=600) and online(github), seconds=20)
    assert [runner.id for runner in github.runners()] == [registered.id]


# -- its registration was deleted while it was stopped


@persistent
def test_start_of_a_runner_whose_registration_is_gone_says_so(machine: Machine, github: Sandbox) -> None:
    machine.create(NAME, "--persistent", "--wait", "online")
    assert machine.cli("stop", NAME).status == 0
    (registered,) = github.runners()
    github.delete_runner(registered.id)
    ran = machine.cli("start", NAME)
    assert ran.status != 0, ran
    assert "registration" in ran.stderr
    assert "--register" in ran.stderr
    assert machine.root(NAME).exists(), "what is persistent stays"


@persistent
def test_start_of_such_a_runner_over_http_says_so_too(machine: Machine, github: Sandbox) -> None:
    server = machine.serve()
    server.made(NAME, ephemeral=False)
    assert server.request("POST", f"/api/v1/runners/{NAME}/stop").status_code == 200
    (registered,) = github.runners()
    github.delete_runner(registered.id)
    answer = server.request("POST", f"/api/v1/runners/{NAME}/start")
    assert answer.status_code >= 400, answer.text
    assert "registration" in answer.json()["detail"]


@persistent
def test_start_register_makes_the_registration_anew(machine: Machine, github: Sandbox) -> None:
    machine.create(NAME, "--persistent", "--wait", "online")
    (machine.root(NAME) / "_work").mkdir(exist_ok=True)
    (machine.root(NAME) / "_work" / "kept").write_text("of last week")
    assert machine.cli("stop", NAME).status == 0
    (registered,) = github.runners()
    github.delete_runner(registered.id)
    assert machine.cli("start", NAME, "--register").status == 0
    github.wait_runner(NAME)
    assert [runner.id for runner in github.runners()] != [registered.id]
    assert (machine.root(NAME) / "_work" / "kept").read_text() == "of last week"
    assert Job.running(machine, github, NAME).let_go().conclusion == "success"


# -- a job that its Listener gave up without a line


@persistent
def test_a_job_that_was_given_up_without_a_line_leaves_nobody_busy(machine: Machine, github: Sandbox) -> None:
    server = machine.serve()
    server.made(NAME, ephemeral=False)
    github.add_fault(Fault(match="POST .*renewjob", status=404, body={"message": "gone"}, times=None))
    job = Job.submit(machine, github, NAME)
    github.wait_job_started(job.id)
    until(lambda: server.status(NAME)["state"] == "busy" or not machine.workers())
    until(lambda: not machine.workers())
    until(lambda: server.status(NAME)["state"] != "busy", seconds=SOON)
    assert server.status(NAME)["job"] is None


@persistent
def test_such_a_runner_can_be_stopped(machine: Machine, github: Sandbox) -> None:
    machine.create(NAME, "--persistent", "--wait", "online")
    github.add_fault(Fault(match="POST .*renewjob", status=404, body={"message": "gone"}, times=None))
    job = Job.submit(machine, github, NAME)
    github.wait_job_started(job.id)
    until(lambda: not machine.workers())
    listener = machine.listener(NAME)
    ran = machine.cli("stop", NAME, seconds=20)
    assert ran.status == 0, ran
    assert "drain" not in ran.said
    assert not alive(listener)


@persistent
def test_a_worker_that_is_killed_leaves_nobody_busy(machine: Machine, github: Sandbox) -> None:
    server = machine.serve()
    server.made(NAME, ephemeral=False)
    Job.running(machine, github, NAME)
    until(lambda: server.status(NAME)["state"] == "busy")
    for pid in machine.workers():
        kill(pid, signal.SIGKILL)
    until(lambda: server.status(NAME)["state"] != "busy", seconds=SOON)


# -- a Listener that lives and is offline at GitHub


@dataclass(frozen=True, kw_only=True)
class Frozen:
    machine: Machine
    github: Sandbox
    listener: int

    def listed(self, *, ahead: float) -> None:
        """By a sweep, so many seconds from now."""
        self.machine.cli("reconcile", ahead=ahead)


@pytest.fixture(params=["--ephemeral", pytest.param("--persistent", marks=persistent)])
def offline(machine: Machine, github: Sandbox, request: pytest.FixtureRequest) -> Frozen:
    """Its process lives, and says nothing to GitHub any more."""
    machine.set(
        RUNNERCTL_STOP_INTERRUPT="0.2s",
        RUNNERCTL_STOP_TERMINATE="0.2s",
        RUNNERCTL_STOP_KILL="2s",
    )
    machine.create(NAME, request.param, "--wait", "online")
    listener = machine.listener(NAME)
    freeze(listener)
    github.wait_runner(NAME, "offline")
    return Frozen(machine=machine, github=github, listener=listener)


def test_one_listing_that_shows_it_offline_is_told_and_touches_nothing(offline: Frozen) -> None:
    offline.listed(ahead=100)
    assert alive(offline.listener)
    status = offline.machine.status(NAME, ahead=101)
    assert "offline" in (status["degraded"] or "") + (status["reason"] or "")


def test_two_listings_a_minute_apart_bring_it_back(offline: Frozen) -> None:
    offline.listed(ahead=100)
    offline.listed(ahead=130)
    assert alive(offline.listener), "they are half a minute apart"
    offline.listed(ahead=165)
    until(lambda: not alive(offline.listener))
    until(lambda: offline.machine.cli("reconcile", ahead=600) and online(offline.github), seconds=20)
    assert offline.machine.listener(NAME) != offline.listener


def test_one_that_works_is_left_alone_though_it_is_listed_as_offline(machine: Machine, github: Sandbox) -> None:
    machine.create(NAME, "--wait", "online")
    job = Job.running(machine, github, NAME)
    listener = machine.listener(NAME)
    freeze(listener)
    github.wait_runner(NAME, "offline")
    for ahead in (100, 165, 230):
        machine.cli("reconcile", ahead=ahead)
    assert alive(listener)
    kill(listener, signal.SIGCONT)
    assert job.let_go().conclusion == "success"


# -- what GitHub said long ago


def test_githubs_word_is_shown_as_unknown_once_a_listing_is_overdue(machine: Machine, github: Sandbox) -> None:
    machine.create(NAME, "--wait", "online")
    assert machine.cli("reconcile").status == 0
    assert machine.status(NAME)["github"]["status"] == "online"
    github.delete_runner(github.runners()[0].id)
    overdue = machine.status(NAME, ahead=115)["github"]
    assert (overdue or {}).get("status") in {None, "unknown"}
    assert (overdue or {}).get("busy") is None
    said = machine.cli("status", NAME, ahead=115).stdout
    assert "online" not in said.lower()


def test_the_server_too_shows_it_as_unknown_when_github_does_not_answer_any_more(
    machine: Machine, github: Sandbox
) -> None:
    clock = machine.clock()
    server = machine.serve(ahead=clock)
    server.made(NAME)
    assert machine.cli("reconcile").status == 0
    github.add_fault(Fault(match="/api/v3/", status=503, times=None))
    clock.set(115)
    overdue = server.status(NAME)["github"]
    assert (overdue or {}).get("status") in {None, "unknown"}


# -- a Listener that is frozen when it is to stop


@pytest.mark.parametrize("kind", ["--ephemeral", pytest.param("--persistent", marks=persistent)])
def test_a_frozen_runner_that_was_stopped_now_is_stopped_and_can_be_started(
    machine: Machine, github: Sandbox, kind: str
) -> None:
    machine.set(
        RUNNERCTL_STOP_INTERRUPT="0.5s",
        RUNNERCTL_STOP_TERMINATE="0.2s",
        RUNNERCTL_STOP_KILL="2s",
    )
    machine.create(NAME, kind, "--wait", "online")
    listener = machine.listener(NAME)
    freeze(listener)
    ran = machine.cli("--output", "json", "stop", NAME, "--now")
    assert ran.status == 0, ran
    assert not alive(listener)
    github.wait_runner(NAME, "offline")
    machine.cli("reconcile", "--local")
    status = machine.status(NAME)
    assert (status["status"], status["state"]) == ("installed_not_running", "stopped")
    assert machine.cli("start", NAME).status == 0
    github.wait_runner(NAME)


def test_a_frozen_runner_without_a_job_is_not_waited_for(machine: Machine) -> None:
    """It hears nothing, and has nothing to report: the patience after SIGINT and SIGTERM is for others."""
    machine.create(NAME, "--wait", "online")
    listener = machine.listener(NAME)
    freeze(listener)
    assert machine.cli("stop", NAME, "--now", seconds=15).status == 0
    assert not alive(listener)


def test_a_frozen_runner_over_http_too(machine: Machine, github: Sandbox) -> None:
    machine.set(
        RUNNERCTL_STOP_INTERRUPT="0.5s",
        RUNNERCTL_STOP_TERMINATE="0.2s",
        RUNNERCTL_STOP_KILL="2s",
    )
    server = machine.serve()
    server.made(NAME)
    freeze(machine.listener(NAME))
    answer = server.request("POST", f"/api/v1/runners/{NAME}/stop?now=true")
    assert (answer.status_code, answer.json()["status"]) == (200, "stopped")
    until(lambda: server.recorded(NAME) not in {"stopping", "idle"})
    assert server.status(NAME)["status"] == "installed_not_running"
    assert [runner.name for runner in github.runners()] == [NAME]
