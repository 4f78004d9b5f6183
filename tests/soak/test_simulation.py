"""The simulation in short; ``make simulate`` is the long one. And that its rules notice when they are broken."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.domain.models import RunnerSpec, Scope
from runnerctl.core.domain.observation import Outcome
from runnerctl.core.domain.states import Desired, RunnerState
from runnerctl.core.engine.plan import LOST
from tests.support.simulation.github import STRANGER, FakeGitHub
from tests.support.simulation.processes import Command, Server
from tests.support.simulation.world import SCOPES, World

SEEDS, LIVES = 5, 40
TOP = Path(__file__).resolve().parents[2]


def simulate(*arguments: str) -> str:
    argv = [sys.executable, "-m", "tests.simulate", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=TOP, env={**os.environ})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_lives_in_virtual_time() -> None:
    summary = simulate("--first", "1000", "--seeds", str(SEEDS), "--lives", str(LIVES), "--processes", "2")
    assert f"{SEEDS} seeds, 0 failed" in summary


def test_a_seed_decides_all_that_happens() -> None:
    first, second = (simulate("--replay", "7", "--lives", "12").splitlines()[:-1] for _ in range(2))
    assert len(first) > 100
    assert first == second


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(1, tmp_path)
    yield made
    made.schedule.close()
    for process in list(made.processes):
        process.gone()


def running(world: World, *, ephemeral: bool = True) -> str:
    """The id of a runner that waits for jobs."""
    spec = RunnerSpec.of(name="a", scope=SCOPES[0], labels="self-hosted", ephemeral=ephemeral)
    Command(world, "create").run(lambda services: core.create_runner(services, spec, wait=core.Wait.ONLINE))
    world.schedule.sleep(60.0)
    Command(world, "reconcile").reconcile(listed=True)
    world.schedule.sleep(5.0)
    (row,) = world.rules.rows.values()
    assert row.state is RunnerState.IDLE
    return row.id


def at_work(world: World) -> str:
    runner_id = running(world)
    world.github.submit(SCOPES[0], "a", seconds=600.0)
    world.schedule.sleep(5.0)
    assert world.host.trees[runner_id].worker is not None
    return runner_id


def test_a_gentle_stop_after_the_clock_was_set_back_kills_nothing(world: World) -> None:
    runner_id = running(world, ephemeral=False)
    world.github.submit(SCOPES[0], "a", seconds=1.0)
    world.schedule.sleep(30.0)
    world.clock.wrong_by = -3600.0
    Command(world, "stop").run(lambda services: core.stop_runner(services, "a"))
    world.schedule.sleep(60.0)
    record = world.host.trees[runner_id].record
    assert record is not None
    assert record.outcome is Outcome.STOPPED
    assert world.rules.rows[runner_id].state is RunnerState.STOPPED


def test_a_create_over_http_whose_answer_is_lost_ends(world: World) -> None:
    organization = Scope(owner="acme")
    world.server = Server(world, "serve", threads=world.rng)
    for name in ("a", "b"):
        spec = RunnerSpec.of(name=name, scope=organization, labels="self-hosted")
        world.server.request(name, lambda services, spec=spec: core.create_runner(services, spec))
        world.schedule.sleep(60.0)
        world.github.unanswered = 1.0
    assert [row.state for row in world.rules.rows.values()] == [RunnerState.IDLE, RunnerState.FAILED]
    world.github.unanswered = 0.0
    world.schedule.sleep(120.0)
    world.rules.nothing_is_forgotten(world.looker.services.store)
    assert len(world.github.registrations) == 1


def test_a_job_that_is_killed_is_noticed(world: World) -> None:
    runner_id = at_work(world)
    with pytest.raises(BaseException, match="while it has job 1"):
        world.rules.ends(world.host.trees[runner_id], "killed")


def test_a_job_that_somebody_asked_to_kill_is_not(world: World) -> None:
    runner_id = at_work(world)
    Command(world, "remove").run(lambda services: core.remove_runner(services, "a", force=True))
    world.schedule.sleep(120.0)
    assert world.rules.rows[runner_id].state is RunnerState.REMOVED
    assert [job.over for job in world.github.jobs] == [True]


def test_a_registration_that_is_deleted_and_wanted_is_noticed(world: World) -> None:
    runner_id = running(world)
    github = FakeGitHub(world.github, world.rules, world.clock.monotonic, world.rng)
    with pytest.raises(BaseException, match="is deleted, which is wanted running"):
        github.delete_runner(SCOPES[0], world.rules.rows[runner_id].github_id or 0)


def test_a_deleted_stranger_is_noticed(world: World) -> None:
    made = world.github.register(SCOPES[0], "b", (STRANGER,), ephemeral=False)
    assert made is not None
    with pytest.raises(BaseException, match="the stranger b is deleted"):
        world.rules.deletes(made)


def test_a_registration_without_an_owner_is_noticed(world: World) -> None:
    world.github.register(SCOPES[0], "b", ("self-hosted",), ephemeral=True)
    with pytest.raises(BaseException, match="belongs to nobody"):
        world.rules.nothing_is_forgotten(world.looker.services.store)


def test_two_launches_at_once_are_noticed(world: World) -> None:
    runner_id = running(world)
    backend, handle = world.looker.services.backends.reach(world.looker.services.store.get(runner_id))  # type: ignore[arg-type]
    with pytest.raises(BaseException, match="is started while it runs"):
        backend.launch(handle)


def test_an_act_by_a_stale_revision_is_noticed(world: World) -> None:
    runner_id = running(world)
    world.schedule.running.seen[runner_id] = world.rules.rows[runner_id].revision - 1
    with pytest.raises(BaseException, match="by revision"):
        world.rules.acts("drain", runner_id)


def test_a_runner_lost_by_one_listing_is_noticed(world: World) -> None:
    runner_id = running(world)
    row = world.rules.rows[runner_id]
    world.github.registrations[row.github_id or 0].listings = [(1000.0, True), (1030.0, False)]
    with pytest.raises(BaseException, match="is called lost after these listings"):
        world.rules.row_changed(row._replace(state=RunnerState.REMOVING, reason=LOST, revision=row.revision + 1))


def test_a_persistent_runner_that_ends_unasked_is_noticed(world: World) -> None:
    runner_id = running(world, ephemeral=False)
    row = world.rules.rows[runner_id]
    with pytest.raises(BaseException, match="nobody asked for that"):
        world.rules.row_changed(row._replace(state=RunnerState.REMOVING, revision=row.revision + 1))


def test_a_wish_that_is_forgotten_is_noticed(world: World) -> None:
    runner_id = running(world)
    row = world.rules.rows[runner_id]
    world.rules.row_changed(row._replace(desired=Desired.GONE, wants=row.wants + 1))
    with pytest.raises(BaseException, match="became running"):
        world.rules.row_changed(row._replace(wants=row.wants + 1))


def test_a_state_off_the_table_is_noticed(world: World) -> None:
    runner_id = running(world)
    row = world.rules.rows[runner_id]
    with pytest.raises(BaseException, match="went from idle to pending"):
        world.rules.row_changed(row._replace(state=RunnerState.PENDING, revision=row.revision + 1))
