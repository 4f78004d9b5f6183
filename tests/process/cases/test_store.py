"""One database for all processes of a host: none waits for another's look, and none believes what is no longer so."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runnerctl.sandbox import Fault, Sandbox
from tests.support.places import DATA

from .machine import REPO, SOON, Machine, Server, freeze, kill, until

DATABASE = "runnerctl.db"
OVER_AN_HOUR = 4000
OF_BEFORE = DATA / "database_of_version_1.sql"


@contextmanager
def writer(machine: Machine) -> Iterator[None]:
    """Somebody who has begun to write, and takes long."""
    with sqlite3.connect(machine.state_dir / DATABASE, isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
    connection.close()


@pytest.mark.parametrize("look", [("status", "seen"), ("list",), ("logs", "seen")], ids=" ".join)
def test_who_only_looks_does_not_wait_for_a_writer(machine: Machine, look: tuple[str, ...]) -> None:
    machine.create("seen", "--wait", "online")
    with writer(machine):
        assert machine.cli(*look, seconds=2 * SOON).status == 0


def test_the_server_answers_who_looks_while_another_process_writes(machine: Machine) -> None:
    server = machine.serve()
    server.made("seen")
    with writer(machine):
        assert server.request("GET", "/api/v1/runners/seen", seconds=2 * SOON).status_code == 200
        assert server.request("GET", "/api/v1/runners/seen/status", seconds=2 * SOON).status_code == 200
        assert server.request("GET", "/api/v1/runners", seconds=2 * SOON).status_code == 200


def test_a_runner_whose_creator_died_just_after_its_launch_fails_when_it_does_not_come_online(
    machine: Machine, github: Sandbox
) -> None:
    machine.set(RUNNERCTL_START_TIMEOUT="2s")
    machine.create("package-is-here")
    github.add_fault(Fault(match="(POST|GET) .*broker", status=503, times=None))
    create = killed_behind_its_launch(machine, github, "late")
    assert create.returncode == -signal.SIGKILL
    machine.cli("reconcile", ahead=10)
    assert machine.status("late")["state"] == "failed"
    assert "online" in machine.status("late")["reason"]
    until(lambda: [runner.name for runner in github.runners()] == ["package-is-here"])
    assert not machine.root("late").exists()


def killed_behind_its_launch(machine: Machine, github: Sandbox, name: str) -> subprocess.Popen[str]:
    """A create that dies when its Listener lives, and before it could write that down."""
    others = set(machine.supervisors())
    github.add_fault(Fault(match="generate-jitconfig", delay=0.5))
    create = machine.begin("create", name, "--repo", REPO)
    (supervisor,) = until(lambda: set(machine.supervisors()) - others)
    freeze(supervisor)
    until(lambda: machine.status(name)["state"] == "starting")
    with writer(machine):
        kill(supervisor, signal.SIGCONT)
        machine.listener(name)
        kill(create.pid, signal.SIGKILL)
        create.wait()
    return create


@pytest.fixture
def exposed(machine: Machine, github: Sandbox) -> Server:
    """A server that knows a stopped runner, and has not looked since `reconcile` saw its repository become public."""
    clock = machine.clock()
    server = machine.serve(ahead=clock)
    server.made("exposed")
    assert server.request("POST", "/api/v1/runners/exposed/stop").status_code == 200
    until(lambda: server.status("exposed")["state"] == "stopped")
    github.publish(REPO)
    github.clock_offset = OVER_AN_HOUR  # so long a repository's visibility is remembered
    clock.set(OVER_AN_HOUR)
    machine.cli("reconcile", ahead=OVER_AN_HOUR)
    assert "public" in machine.status("exposed", ahead=OVER_AN_HOUR)["degraded"]
    return server


def test_what_another_process_found_out_counts_at_once(exposed: Server) -> None:
    """The server starts no runner of that repository any more."""
    answer = exposed.request("POST", "/api/v1/runners/exposed/start")
    assert (answer.status_code, answer.json().get("code")) == (403, "forbidden")
    assert exposed.status("exposed")["status"] == "installed_not_running"


def test_what_another_process_found_out_is_shown_at_once(exposed: Server) -> None:
    assert "public" in (exposed.status("exposed")["degraded"] or "")


FOUR_THREADS = """
    # As Python 3.12 has it: without the lock of 3.11's.
    import functools

    class cached_property:
        def __init__(self, func):
            self.func = func

        def __set_name__(self, owner, name):
            self.name = name

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            if self.name not in instance.__dict__:
                instance.__dict__[self.name] = self.func(instance)
            return instance.__dict__[self.name]

    functools.cached_property = cached_property

    import threading
    from concurrent.futures import ThreadPoolExecutor

    from runnerctl import core
    from runnerctl.core.settings.load import load

    services = core.Services.open(load())
    together = threading.Barrier(4)

    def look(port):
        together.wait()
        return getattr(services, port)

    with ThreadPoolExecutor(4) as pool:
        for port in ("store", "github"):
            print(port, len({id(each) for each in list(pool.map(look, [port] * 4))}))
"""


def test_four_threads_share_one_store_with_any_python(machine: Machine) -> None:
    script = textwrap.dedent(FOUR_THREADS)
    ran = subprocess.run(
        [sys.executable, "-c", script], env=machine.environment(), capture_output=True, text=True, check=False
    )
    assert ran.stdout.splitlines() == ["store 1", "github 1"], ran.stderr


def test_a_damaged_database_is_not_taken_for_a_full_disk_by_the_words_in_its_error(machine: Machine) -> None:
    machine.create("here")
    damaged = machine.state_dir / DATABASE
    with sqlite3.connect(damaged) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql)"
            " VALUES ('index', 'is_full', 'runner', 0, 'CREATE INDEX is_full ON nothing(x)')"
        )
    connection.close()
    ran = machine.cli("--output", "json", "list")
    assert (ran.status, ran.document["error"]["code"]) == (2, "config_invalid"), ran
    assert "space" not in ran.said


@pytest.mark.parametrize("asked", ["ÄPFEL", "äpfel"])
def test_a_label_is_found_without_regard_to_case_in_any_alphabet(machine: Machine, asked: str) -> None:
    server = machine.serve()
    server.made("fruit", labels=["ÄPFEL"])
    answer = server.request("GET", f"/api/v1/runners?label={asked}")
    assert [item["name"] for item in answer.json()["items"]] == ["fruit"]


def test_a_newer_command_leaves_the_database_of_an_older_server_as_it_is(machine: Machine) -> None:
    """The server of the release before holds its lock; a command never changes the tables under it."""
    machine.state_dir.mkdir(mode=0o700)
    database = machine.state_dir / DATABASE
    with sqlite3.connect(database) as connection:
        connection.executescript(OF_BEFORE.read_text().replace("'build-1'", f"'{os.uname().nodename}'"))
        names = [name for (name,) in connection.execute("SELECT name FROM runner")]
    connection.close()
    assert len(names) > 15
    database.chmod(0o600)
    before = _tables(database)
    with (machine.state_dir / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = machine.cli("--output", "json", "list")
        assert _tables(database) == before
        if ran.status != 0:
            assert (ran.status, ran.document["error"]["code"]) == (2, "config_invalid"), ran
            assert "serve" in ran.said
    ran = machine.cli("--output", "json", "list", "--all")
    assert sorted(item["name"] for item in ran.document["items"]) == sorted(names)


def _tables(database: Path) -> list[str]:
    with sqlite3.connect(database) as connection:
        found = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
        version = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return [str(version), *(str(row[0]) for row in found)]
