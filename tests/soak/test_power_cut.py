"""Whenever the power goes, two sweeps after the next boot leave nothing without an owner, and what should run runs.

``POWER_CUTS`` is how often it goes.
"""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from runnerctl import core
from runnerctl.core.domain.models import ProcessId, Runner, RunnerSpec
from runnerctl.core.domain.states import Desired, RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.engine.operations.operation import Operation
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.host import processes
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from runnerctl.sandbox.state import Settings
from tests.support.breaking.cutting import Cut, When, cut_at, mortal
from tests.support.breaking.lives import hearing
from tests.support.breaking.power import (
    Load,
    boot_anew,
    copy_database,
    give_up_jobs,
    last_transaction,
    lose_unsynced,
    standstill,
)
from tests.support.hosts.clocks import JumpingClock
from tests.support.hosts.host import Host, Server, create, remove, until
from tests.support.sandboxes.strictness import strict_sandbox

CUTS = int(os.environ.get("POWER_CUTS", "2"))
SEED = int(os.environ.get("POWER_SEED", "11"))
ONLINE = core.Wait.ONLINE
MOST_COMMITS = 12
RUNNING = {RunnerState.STARTING, RunnerState.IDLE, RunnerState.BUSY}


@pytest.fixture
def sandbox(archive: Path) -> Iterator[Sandbox]:
    quick = Settings(requeue_seconds=2.0, session_seconds=1.0, broken_session_seconds=0.1)
    with strict_sandbox(archive=archive, settings=quick) as running:
        yield running


@pytest.fixture
def stranger() -> Iterator[ProcessId]:
    """None of ours; after a boot it may have any pid."""
    with subprocess.Popen(["sleep", "infinity"]) as process:
        found = processes.identify(process.pid)
        assert found is not None
        yield found
        assert process.poll() is None, "a stranger was killed"
        process.kill()


def test_a_power_cut_at_any_instant_is_healed_by_two_sweeps(
    host: Host, sandbox: Sandbox, serve: Callable[..., Server], stranger: ProcessId, tmp_path: Path
) -> None:
    """The same machine again and again; each time it goes on with what the last left."""
    rng, clock = random.Random(SEED), JumpingClock()
    for number in range(CUTS):
        server = serve(RUNNERCTL_MAX_RUNNERS="5")
        with Load(server, sandbox, rng):
            time.sleep(rng.uniform(0.3, 1.0))
            with standstill(host, server):
                copied = copy_database(host.state_dir, tmp_path / f"copy-{number}")
        opens_soundly(copied)
        boot(host, sandbox, clock, rng, stranger)
    services = host.services()
    try:
        for runner in services.store.live():
            remove(services, runner.name, force=True)
        everything_has_an_owner(services, host, sandbox)
        assert services.store.live() == []
        until(lambda: not host.processes())
    finally:
        services.close()


def boot(host: Host, sandbox: Sandbox, clock: JumpingClock, rng: random.Random, stranger: ProcessId) -> None:
    """The machine comes back and is looked at twice."""
    give_up_jobs(sandbox)
    boot_anew(host, stranger)
    services = host.services()
    try:
        services.clock = clock
        before = services.store.live()
        lose_unsynced(host, before, rng)
        should_run = [runner.id for runner in before if _should_run(services, runner)]
        may_run = {runner.id for runner in before if _is_being_started_again(services, runner)}
        for _ in range(2):
            clock.ahead += 61
            assert [finding for finding in sweep(services).findings if finding.error] == []
        everything_has_an_owner(services, host, sandbox, may_run=may_run)
        opens_soundly(host.state_dir / "runnerctl.db")
        for life in should_run:
            assert services.store.get(life).state in RUNNING  # type: ignore[union-attr]
    finally:
        services.close()


def _should_run(services: Services, runner: Runner) -> bool:
    wanted = not runner.ephemeral and runner.desired is Desired.RUNNING and runner.state in RUNNING
    return wanted and runner.started_at is not None and not routed.observe(services, runner).ended


def _is_being_started_again(services: Services, runner: Runner) -> bool:
    """Somebody asked for that, and its processes were not there yet: also an ephemeral one has not had its job."""
    asked = runner.state is RunnerState.STARTING and runner.desired is Desired.RUNNING and runner.handle is None
    return asked and routed.observe(services, runner).ended


def opens_soundly(path: Path) -> None:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        connection.close()


def everything_has_an_owner(services: Services, host: Host, sandbox: Sandbox, *, may_run: Collection[str] = ()) -> None:
    """``may_run``: ephemeral runners that are not over with what they ran on."""
    live = {runner.name: runner for runner in services.store.live()}
    assert {runner.state for runner in live.values()} <= {*RUNNING, RunnerState.STOPPED}, live
    once = [runner for runner in live.values() if runner.ephemeral and runner.id not in may_run]
    # One that waited for a job is made again: another life.
    assert {each.state for each in once if each.wanted_by != "policy replace lost"} <= {RunnerState.STOPPED}, live
    assert set(host.roots()) == set(live)
    assert {each.id for each in sandbox.runners()} == {runner.github_id for runner in live.values()}
    assert services.store.orphans() == []
    running = {name for name in live if core.runner_status(services, name).word == "running"}
    assert running == {name for name in live if live[name].state is not RunnerState.STOPPED}


OPERATIONS: dict[str, Callable[[Services, RunnerSpec], Operation[Any]]] = {
    "create": lambda services, spec: core.create_runner(services, dataclasses.replace(spec, ephemeral=True)),
    "create persistent": core.create_runner,
    "stop": lambda services, spec: core.stop_runner(services, spec.name),
    "remove": lambda services, spec: core.remove_runner(services, spec.name),
}
Tail = Callable[[bytes, random.Random], bytes]
TAILS: tuple[Tail, ...] = (
    lambda _, __: b"",
    lambda lost, _: bytes(len(lost)),
    lambda lost, rng: rng.randbytes(len(lost)),
)
"""What is on the disk in place of what was not written any more."""


@pytest.mark.persistent
@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_a_commit_that_the_power_cut_short_never_was(
    host: Host, sandbox: Sandbox, operation: str, stranger: ProcessId, tmp_path: Path
) -> None:
    """Nobody has acted on it: a commit returns when it is on the disk, and only then comes its effect."""
    rng, clock = random.Random(f"{SEED} {operation}"), JumpingClock()
    for number in range(1, MOST_COMMITS):
        services = host.services()
        store = mortal(services)
        with hearing(services):
            spec = host.spec(f"r{number}", ephemeral=False)
            if not operation.startswith("create"):
                create(services, spec, wait=ONLINE)
            with cut_at(services, Cut(number, When.AFTER)):
                core.finish(OPERATIONS[operation](services, spec), clock=services.clock)
            copied = copy_database(host.state_dir, tmp_path / f"copy-{number}")
            host.kill_everything()
            services.close()
        if store.deaths == 0:
            assert number > 1, "the operation commits nothing"
            return
        tear(copied, rng, rng.choice(TAILS))
        put_back(copied, host.state_dir)
        boot(host, sandbox, clock, rng, stranger)
    raise AssertionError(f"more than {MOST_COMMITS} commits")


def tear(database: Path, rng: random.Random, tail: Tail) -> None:
    """Within the last commit of its journal, and checks that everything before is there and nothing of it."""
    journal = database.with_name(f"{database.name}-wal")
    written = journal.read_bytes()
    begin, end = last_transaction(written)
    at = rng.randrange(begin, end)
    assert begin < end
    journal.write_bytes(written[:begin])
    without = dump(database)
    journal.write_bytes(written)
    assert dump(database) != without
    journal.write_bytes(written[:at] + tail(written[at:end], rng))
    assert dump(database) == without


def dump(database: Path) -> list[str]:
    """All that is in a copy of it, which is left as it lies."""
    with tempfile.TemporaryDirectory() as top:
        copied = copy_database(database.parent, Path(top) / "copy")
        opens_soundly(copied)
        connection = sqlite3.connect(copied)
        try:
            return list(connection.iterdump())
        finally:
            connection.close()


def put_back(copied: Path, state_dir: Path) -> None:
    for path in state_dir.glob("runnerctl.db*"):
        path.unlink()
    for path in copied.parent.iterdir():
        if not path.name.endswith("-shm"):  # memory, by another name
            shutil.copy(path, state_dir)
