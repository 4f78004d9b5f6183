"""What is not visible from here is unknown, never dead: case B1, with real mounts and namespaces."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from runnerctl.sandbox import Sandbox
from tests.support.hosts.blinded import ANOTHER_CONTAINER, VIEWS, need

from .jobs import Job
from .machine import Machine, alive, ended, kill, until

NAME = "hp"
NOT_SEEN = "cannot be seen from here"


@pytest.mark.parametrize("view", VIEWS)
def test_a_job_that_a_command_cannot_see_survives_every_command(machine: Machine, github: Sandbox, view: str) -> None:
    through = need(VIEWS[view])
    machine.create(NAME, "--wait", "online")
    job = Job.running(machine, github, NAME)
    before = [*machine.workers(), *machine.supervisors(), machine.listener(NAME)]

    seen = machine.cli("--output", "json", "status", NAME, through=through)
    assert (seen.status, seen.document["status"]) == (8, "unknown")
    assert NOT_SEEN in seen.document["degraded"]
    swept = machine.cli("reconcile", through=through)
    assert swept.status == 10
    assert NOT_SEEN in swept.stderr
    refused = machine.cli("remove", "--force", NAME, through=through)
    assert refused.status == 8, refused
    assert NOT_SEEN in refused.stderr

    assert all(map(alive, before)), "nothing of it was touched"
    assert machine.status(NAME)["state"] == "busy", "and nothing else is wanted of it"
    assert job.let_go().conclusion == "success"


def test_each_command_about_it_is_refused_and_wants_nothing(machine: Machine, github: Sandbox) -> None:
    through = need(VIEWS["hidepid=4"])
    machine.create(NAME, "--wait", "online")
    assert machine.cli("create", NAME, "--repo", "acme/widgets", through=through).status == 6
    for verb in ("start", "stop", "restart", "remove"):
        refused = machine.cli(verb, NAME, through=through)
        assert refused.status == 8, refused
        assert NOT_SEEN in refused.stderr
    assert machine.status(NAME)["state"] == "idle"
    assert alive(machine.listener(NAME))


def test_a_worker_that_outlived_all_else_is_not_cleared_away_by_who_cannot_see_it(
    machine: Machine, github: Sandbox
) -> None:
    through = need(ANOTHER_CONTAINER)
    machine.create(NAME, "--wait", "online")
    job = Job.running(machine, github, NAME)
    until(lambda: machine.status(NAME)["state"] == "busy")
    workers = machine.workers()
    for pid in (*machine.supervisors(), machine.listener(NAME)):
        kill(pid, signal.SIGKILL)
    assert machine.cli("--output", "json", "status", NAME, through=through).document["status"] == "unknown"
    machine.cli("reconcile", through=through)
    assert all(map(alive, workers))
    assert machine.root(NAME).exists()
    job.go.touch()


def test_a_runner_of_a_container_that_is_gone_is_known_to_have_ended(machine: Machine, github: Sandbox) -> None:
    """Its PID namespace ended with all that was in it: nobody holds the supervisor's lock or the Listener's output."""
    need(ANOTHER_CONTAINER)
    go = machine.top / "go"
    script = f'"$@"; while [ ! -e {go} ]; do sleep 0.05; done'
    inside = (*ANOTHER_CONTAINER, "sh", "-c", script, "sh")
    container = machine.begin("create", NAME, "--repo", "acme/widgets", "--wait", "online", through=inside)
    github.wait_runner(NAME)
    assert machine.status(NAME)["status"] == "unknown", "as long as the container is there"
    until(lambda: machine.root(NAME).exists())
    go.touch()
    ended(container)
    until(lambda: machine.status(NAME)["status"] != "unknown")
    assert machine.status(NAME)["status"] == "installed_not_running"


def test_what_a_command_cannot_see_is_stopped_and_removed_by_the_server(machine: Machine) -> None:
    through = need(ANOTHER_CONTAINER)
    server = machine.serve()
    server.made("stopped")
    server.made("removed")
    listener = machine.listener("stopped")
    ran = machine.cli("stop", "stopped", through=through)
    assert ran.status == 0, ran
    assert not alive(listener)
    assert server.status("stopped")["state"] == "stopped"
    ran = machine.cli("remove", "removed", through=through)
    assert ran.status == 0, ran
    assert not machine.root("removed").exists()


def test_doctor_says_that_proc_hides_processes_and_what_follows(machine: Machine) -> None:
    ran = machine.cli("doctor", "--offline", through=need(VIEWS["hidepid=4"]))
    assert "hidepid=" in ran.stdout
    assert "unknown" in ran.stdout


def test_a_create_is_refused_where_nothing_of_it_could_be_seen_again(machine: Machine, github: Sandbox) -> None:
    ran = machine.cli("create", NAME, "--repo", "acme/widgets", through=need(VIEWS["subset=pid"]))
    assert ran.status == 8, ran
    assert "/proc" in ran.stderr
    assert github.runners() == []
    assert not Path(machine.root(NAME)).exists()
