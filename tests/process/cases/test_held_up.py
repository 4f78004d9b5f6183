"""Two who are at work on one runner, one of whom stands still: nothing is lost, and who holds the other up is named."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing

import pytest

from runnerctl.core.host.row_locks import holder, row_lock
from runnerctl.sandbox import Fault, Sandbox
from runnerctl.sandbox.values import RunnerView

from .crowd import crowd, status_line
from .machine import REPO, Machine, alive, ended, freeze, kill, stays, until

pytestmark = pytest.mark.long

HELD = 33.0 if "ALL_MOMENTS" in os.environ else 3.0
"""Seconds for which somebody keeps a row."""


def leaves_nothing(machine: Machine, github: Sandbox, name: str) -> None:
    until(lambda: not github.runners(), seconds=10)
    until(lambda: not machine.root(name).exists(), seconds=10)
    assert machine.status(name)["status"] == "not_installed"
    assert not list(machine.base_dir.glob(".new-*"))


def test_a_removal_that_comes_while_github_makes_the_registration_undoes_it(machine: Machine, github: Sandbox) -> None:
    """The create is answered that it did not come about, and no Listener is started for it."""
    server = machine.serve()
    github.add_fault(Fault(match="generate-jitconfig", delay=2))
    with crowd(server) as clients:
        create = clients.send("POST", "/api/v1/runners", {"repo": REPO, "name": "unwanted"})
        until(github.runners)
        assert server.remove("unwanted").status_code == 200
        assert status_line(create) >= 400
    leaves_nothing(machine, github, "unwanted")
    history = [event["to"] for event in server.runner("unwanted")["history"]]
    assert "starting" not in history, "it was not wanted any more"
    assert history[-1] == "removed"


def test_so_it_is_between_two_commands(machine: Machine, github: Sandbox) -> None:
    github.add_fault(Fault(match="generate-jitconfig", delay=2))
    create = machine.begin("create", "unwanted", "--repo", REPO)
    until(github.runners)
    assert machine.cli("remove", "unwanted").status == 0
    assert ended(create).status != 0
    leaves_nothing(machine, github, "unwanted")


def test_a_forced_removal_does_not_wait_for_github_to_make_the_registration(machine: Machine, github: Sandbox) -> None:
    server = machine.serve()
    github.add_fault(Fault(match="generate-jitconfig", delay=2))
    with crowd(server) as clients:
        create = clients.send("POST", "/api/v1/runners", {"repo": REPO, "name": "unwanted"})
        until(github.runners)
        assert server.remove("unwanted", "?force=true").status_code == 200
        assert status_line(create) >= 400
    leaves_nothing(machine, github, "unwanted")


def freeze_between_steps(machine: Machine, pid: int, row_id: str, number: signal.Signals) -> None:
    """A process can put Ctrl-Z off to its step's end, and SIGSTOP not: then it holds what it held."""

    def frozen() -> bool:
        freeze(pid, number)
        if holder(machine.state_dir / "locks" / "rows.lock", row_id) != pid and can_be_written(machine):
            return True
        assert number == signal.SIGSTOP, "Ctrl-Z stopped it in the midst of a step"
        kill(pid, signal.SIGCONT)
        return False

    until(frozen)


def can_be_written(machine: Machine) -> bool:
    """Nobody stands still in the midst of a commit."""
    with closing(sqlite3.connect(machine.state_dir / "runnerctl.db", isolation_level=None, timeout=2)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        db.execute("ROLLBACK")
    return True


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_a_removal_whose_command_was_stopped_by_ctrl_z_is_finished_by_the_server(
    machine: Machine, github: Sandbox, number: signal.Signals
) -> None:
    machine.set(
        RUNNERCTL_REMOVE_SETTLE="1s",
        RUNNERCTL_STOP_INTERRUPT="0.2s",
        RUNNERCTL_STOP_TERMINATE="0.2s",
        RUNNERCTL_STOP_KILL="2s",
    )
    server = machine.serve()
    server.made("left")
    freeze(machine.listener("left"))  # or it would end by itself, being told of the deletion
    row_id = server.runner("left")["id"]
    command = machine.begin("remove", "left")
    until(lambda: not github.runners())
    freeze_between_steps(machine, command.pid, row_id, number)
    until(lambda: server.recorded("left") == "removed", seconds=30)
    assert not machine.root("left").exists()
    kill(command.pid, signal.SIGCONT)
    assert ended(command).status == 0, "its result is what became of the runner"


def test_who_is_held_up_by_a_command_that_stands_still_is_told_which(machine: Machine, github: Sandbox) -> None:
    """A create that was stopped by Ctrl-Z in the midst of a step; a removal cannot wait for it for ever."""
    github.add_fault(Fault(match="generate-jitconfig", delay=1))
    create = machine.begin("create", "stuck", "--repo", REPO)
    until(github.runners)
    freeze(create.pid)
    ran = machine.cli("remove", "stuck", seconds=30)
    assert ran.status == 0 or str(create.pid) in ran.stderr, ran
    kill(create.pid, signal.SIGCONT)
    ended(create)
    assert machine.cli("remove", "stuck").status == 0
    leaves_nothing(machine, github, "stuck")


def test_a_command_that_stands_still_holds_up_nobody_elses_runner(machine: Machine, github: Sandbox) -> None:
    server = machine.serve()
    server.made("other")
    github.add_fault(Fault(match="generate-jitconfig", delay=1))
    create = machine.begin("create", "stuck", "--repo", REPO)
    until(lambda: len(github.runners()) == 2)
    freeze(create.pid)
    assert machine.status("stuck")["status"] == "installed_not_running"
    assert server.remove("other").status_code == 200
    machine.create("another")
    kill(create.pid, signal.SIGCONT)
    assert ended(create).status == 0
    assert machine.status("stuck")["status"] == "running"


def test_a_reaper_that_meets_a_held_lock_comes_to_its_turn(machine: Machine, github: Sandbox) -> None:
    """A removal waits for GitHub while the runner dies: without any server it is cleared away all the same."""
    machine.create("dying", "--wait", "online")
    listener = machine.listener("dying")
    github.add_fault(Fault(match="DELETE /repos", status=503, delay=1.5))
    command = machine.begin("remove", "dying")
    until(lambda: any(call.method == "DELETE" for call in github.calls))
    kill(listener, signal.SIGKILL)
    until(lambda: not alive(listener))
    ended(command)
    leaves_nothing(machine, github, "dying")


def is_cleared(github: Sandbox, registered: RunnerView) -> None:
    """Its life is over; one that was killed while it waited for a job may be made again under its name."""
    until(lambda: registered.id not in [each.id for each in github.runners()])


def test_a_removal_that_stands_still_in_its_question_to_github_holds_no_reaper_up(
    machine: Machine, github: Sandbox
) -> None:
    machine.create("dying", "--wait", "online")
    listener = machine.listener("dying")
    (registered,) = github.runners()
    github.add_fault(Fault(match="DELETE /repos", status=503, delay=60))
    command = machine.begin("remove", "dying")
    until(lambda: any(call.method == "DELETE" for call in github.calls))
    freeze(command.pid)
    kill(listener, signal.SIGKILL)
    is_cleared(github, registered)
    assert command.poll() is None
    kill(command.pid, signal.SIGKILL)
    command.wait()


@pytest.mark.timeout(150)
def test_a_reaper_waits_for_who_holds_its_row(machine: Machine, github: Sandbox) -> None:
    """It gave up after half a minute once: so long is waited in ``make soak``. That it begins anew then is shown, in a
    time that goes quicker, by ``test_who_clears_up_waits_on_for_who_holds_its_row``."""
    machine.create("dying", "--wait", "online")
    (run_dir,) = (machine.state_dir / "runners").iterdir()
    with row_lock(machine.state_dir / "locks" / "rows.lock", run_dir.name):
        (registered,) = github.runners()
        kill(machine.listener("dying"), signal.SIGKILL)
        assert stays(lambda: machine.root("dying").exists(), seconds=HELD)
    is_cleared(github, registered)
