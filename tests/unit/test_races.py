"""Two who act on one runner, in every order of their steps: one end, nothing lost, and no job killed unasked.

``RACES`` is how often one may be interrupted by the other, 1 without it. Each failure names its order for ``replay``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runnerctl import core
from runnerctl.core.domain.errors import (
    BackendFailed,
    InvalidTransition,
    RunnerBusy,
    RunnerExists,
    RunnerNotFound,
)
from runnerctl.core.domain.states import Desired, How, RunnerState
from runnerctl.core.engine import drive
from runnerctl.core.engine.operations import operation
from tests.support.breaking.interleaving import Actor, Interleaving, explore
from tests.support.breaking.racing import Host, Hosts

SWITCHES = int(os.environ.get("RACES", "1"))
S = RunnerState
LOOK = 0.25
"""Of these, sums are exact: who waits for the same moment can go on at the same moment."""
REFUSED = 1.25
"""So long after the wish a job is no Worker any more that is just leaving."""
Act = Callable[[Host], Any]
Refusals = tuple[type[Exception], ...]


class Race:
    """A host on which something is there, and those who then act on it at the same time."""

    def __init__(self, hosts: Hosts, prepare: Callable[[Host], object]) -> None:
        self._hosts = hosts
        self._prepare = prepare
        self._actors: list[tuple[str, Act, Refusals]] = []

    def of(self, name: str, act: Act, *refusals: type[Exception]) -> Race:
        self._actors.append((name, act, refusals))
        return self

    def run(self, then: Callable[..., None], *, deaths: int = 0, switches: int = SWITCHES, looks: bool = False) -> int:
        """``then`` is given the host, once all has come to rest, and each actor by its name."""

        def scenario(interleaving: Interleaving) -> None:
            host = self._hosts.make(interleaving, looks=looks)
            try:
                self._prepare(host)
                actors: dict[str, Actor] = {}
                for name, act, refusals in self._actors:
                    actors[name] = interleaving.actor(name, partial(act, host), refusals=refusals)
                interleaving.play()
                host.settle()
                then(host, **actors)
            finally:
                interleaving.close()
                host.close()
                self._hosts.clear()

        return explore(scenario, deaths=deaths, switches=switches)


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    """Each look of one who waits is a step that others may come between: a few of them are enough."""
    for waits in (operation, drive):
        monkeypatch.setattr(waits, "OBSERVE_SECONDS", LOOK)
    return Hosts(tmp_path)


def nothing(_host: Host) -> None:
    return


def idle(host: Host, **more: Any) -> None:
    host.create(**more)
    host.sweep()
    assert host.latest().state is S.IDLE


def idle_persistent(host: Host) -> None:
    idle(host, ephemeral=False)


def with_job(host: Host, *, seconds: float = 0.5, **more: Any) -> None:
    idle(host, **more)
    assert host.pods.hand_job(host.latest().id, seconds)
    host.sweep()
    assert host.latest().state is S.BUSY


def remove(host: Host, **how: Any) -> core.Removal:
    return host.remove(**how)


def sweep(host: Host) -> object:
    return host.sweep()


def no_job_was_killed(host: Host) -> None:
    assert host.pods.killed_jobs == []


# -- making


def test_a_create_that_meets_a_removal_ends_removed_or_is_there_and_never_half(hosts: Hosts) -> None:
    def then(host: Host, create: Actor, remove: Actor) -> None:
        if remove.error is None:
            assert not host.latest().live
        else:
            assert isinstance(remove.error, RunnerNotFound), "it was asked before there was one"
            assert create.error is None
            assert host.latest().live

    race = Race(hosts, nothing).of("create", lambda host: host.create(), BackendFailed)
    race.of("remove", remove, RunnerNotFound).run(then)


@pytest.mark.parametrize("dies", [False, True])
def test_of_two_creates_of_one_name_one_is_made(hosts: Hosts, dies: bool) -> None:
    def then(host: Host, first: Actor, second: Actor) -> None:
        made = [actor for actor in (first, second) if actor.error is None and not actor.died]
        assert len(made) <= 1
        assert len([runner for runner in host.rows() if runner.live]) == len(made) or dies
        if not dies:
            assert len(made) == 1

    race = Race(hosts, nothing).of("first", lambda host: host.create(), RunnerExists)
    race.of("second", lambda host: host.create("A"), RunnerExists).run(then, deaths=int(dies))


def test_a_create_and_a_sweep_do_not_disturb_each_other(hosts: Hosts) -> None:
    def then(host: Host, create: Actor, sweep: Actor) -> None:
        assert host.latest().live
        assert host.backend.launches == ["a"]

    Race(hosts, nothing).of("create", lambda host: host.create()).of("sweep", sweep).run(then)


def test_a_create_that_dies_at_any_step_leaves_a_runner_that_serves_or_nothing(hosts: Hosts) -> None:
    def then(host: Host, create: Actor, sweep: Actor) -> None:
        for runner in host.rows():
            assert runner.state in {S.IDLE, S.FAILED}, runner

    Race(hosts, nothing).of("create", lambda host: host.create()).of("sweep", sweep).run(then, deaths=1)


def test_a_create_in_the_place_of_one_that_is_ending_is_made(hosts: Hosts) -> None:
    def then(host: Host, create: Actor, sweep: Actor) -> None:
        assert [runner.live for runner in host.rows()] == [False, True]

    def dead(host: Host) -> None:
        idle(host)
        host.pods.dies(host.latest().id)

    Race(hosts, dead).of("create", lambda host: host.create()).of("sweep", sweep).run(then)


# -- removing


@pytest.mark.parametrize("others", [{}, {"drain": True}, {"force": True}], ids=["gentle", "drain", "force"])
def test_two_removals_of_an_idle_runner_both_succeed_and_it_ends_once(hosts: Hosts, others: dict[str, bool]) -> None:
    def then(host: Host, one: Actor, other: Actor) -> None:
        assert host.latest().state is S.REMOVED

    Race(hosts, idle).of("one", remove).of("other", lambda host: host.remove(**others)).run(then)


def test_a_removal_that_dies_is_carried_on_by_the_sweep(hosts: Hosts) -> None:
    def then(host: Host, remove: Actor, sweep: Actor) -> None:
        assert host.latest().state in {S.REMOVED, S.IDLE}
        if host.store.history(host.latest().id)[-1].new is S.REMOVING or host.latest().desired is Desired.GONE:
            assert not host.latest().live

    Race(hosts, idle).of("remove", remove).of("sweep", sweep).run(then, deaths=1)


@pytest.mark.parametrize("persistent", [False, True])
def test_a_job_that_runs_is_finished_whatever_order_two_removals_come_in(hosts: Hosts, persistent: bool) -> None:
    """Gentle is refused; the drain is not taken back by that refusal."""

    def then(host: Host, gentle: Actor, drain: Actor) -> None:
        no_job_was_killed(host)
        assert host.latest().state in {S.REMOVED, S.COMPLETED}
        assert drain.error is None

    race = Race(hosts, partial(with_job, ephemeral=not persistent)).of("gentle", remove, RunnerBusy)
    race.of("drain", lambda host: host.remove(drain=True)).run(then)


def test_force_wins_over_gentle_and_drain_whatever_came_first(hosts: Hosts) -> None:
    def then(host: Host, force: Actor, drain: Actor) -> None:
        assert host.latest().state is S.REMOVED
        assert host.pods.killed_jobs == ["a"]

    race = Race(hosts, partial(with_job, seconds=30.0)).of("force", lambda host: host.remove(force=True))
    race.of("drain", lambda host: host.remove(drain=True)).run(then)


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("how", [{}, {"drain": True}], ids=["gentle", "drain"])
def test_a_job_that_turns_up_while_a_runner_is_removed_is_never_killed(
    hosts: Hosts, how: dict[str, bool], persistent: bool
) -> None:
    def then(host: Host, remove: Actor, job: Actor) -> None:
        no_job_was_killed(host)
        if isinstance(remove.error, RunnerBusy):
            assert job.result
            assert host.latest().state is (S.IDLE if persistent else S.COMPLETED)
            assert host.backend.launches == ["a"], "what was refused was not drained either"
        else:
            assert host.latest().state in {S.REMOVED, S.COMPLETED}, "202 says that it goes by itself"

    race = Race(hosts, partial(idle, ephemeral=not persistent))
    race.of("remove", lambda host: host.remove(**how), RunnerBusy)
    race.of("job", lambda host: host.pods.hand_job(host.latest().id, 3.0)).run(then, looks=True)


def test_a_job_that_was_handed_over_as_github_let_go_is_never_killed(hosts: Hosts) -> None:
    """204 in mid-job: the settle window watches for it."""

    def prepare(host: Host) -> None:
        idle(host)
        host.github.on_delete = lambda name: host.pods.hand_job(host.latest(name).id, 0.3)

    def then(host: Host, remove: Actor, sweep: Actor) -> None:
        no_job_was_killed(host)
        assert host.latest().state in {S.REMOVED, S.COMPLETED}

    Race(hosts, prepare).of("remove", remove).of("sweep", sweep).run(then, looks=True)


@pytest.mark.parametrize("how", [{}, {"drain": True}], ids=["gentle", "drain"])
def test_a_job_that_comes_a_moment_after_github_let_go_still_runs_to_its_end(
    hosts: Hosts, how: dict[str, bool]
) -> None:
    def then(host: Host, remove: Actor, job: Actor) -> None:
        no_job_was_killed(host)
        assert job.result, "its Listener was ended before it could take it"
        assert host.latest().state in {S.REMOVED, S.COMPLETED}

    def job(host: Host) -> bool:
        host.interleaving.wait_for("GitHub has let go", lambda: not host.github.registered)
        host.clock.sleep(0.03)
        return host.pods.hand_job(host.latest().id, 0.5)

    Race(hosts, idle).of("remove", lambda host: host.remove(**how)).of("job", job).run(then)


def test_a_removal_that_github_refuses_while_somebody_forces_it_ends_removed(hosts: Hosts) -> None:
    """422: the wish goes back, but never one that became stronger meanwhile."""

    def then(host: Host, gentle: Actor, force: Actor) -> None:
        assert host.latest().state is S.REMOVED
        assert host.pods.killed_jobs == ["a"]

    race = Race(hosts, partial(with_job, seconds=30.0)).of("gentle", remove, RunnerBusy)
    race.of("force", lambda host: (host.clock.sleep(REFUSED), host.remove(force=True))).run(then, looks=True)


@pytest.mark.parametrize("how", [{}, {"drain": True}, {"force": True}], ids=["gentle", "drain", "force"])
def test_a_runner_that_dies_while_it_is_removed_is_removed(hosts: Hosts, how: dict[str, bool]) -> None:
    def then(host: Host, remove: Actor, death: Actor) -> None:
        assert host.latest().state in {S.REMOVED, S.FAILED}

    race = Race(hosts, idle).of("remove", lambda host: host.remove(**how))
    race.of("death", lambda host: host.pods.dies(host.latest().id)).run(then, looks=True)


# -- stopping and starting


@pytest.mark.parametrize("persistent", [False, True])
def test_a_stop_and_a_start_leave_what_was_wanted_last(hosts: Hosts, persistent: bool) -> None:
    def then(host: Host, stop: Actor, start: Actor) -> None:
        runner = host.latest()
        assert runner.live
        assert (runner.state is S.STOPPED) is (runner.desired is Desired.STOPPED)
        if start.error is None and stop.error is None:
            assert start.result is not None

    race = Race(hosts, partial(idle, ephemeral=not persistent)).of("stop", lambda host: host.stop())
    race.of("start", lambda host: host.start(), InvalidTransition, BackendFailed).run(then)


def test_a_start_of_one_that_rests_meets_a_stop(hosts: Hosts) -> None:
    def rests(host: Host) -> None:
        idle(host)
        host.stop()

    def then(host: Host, start: Actor, stop: Actor) -> None:
        runner = host.latest()
        assert runner.live
        assert (runner.state is S.STOPPED) is (runner.desired is Desired.STOPPED)

    race = Race(hosts, rests).of("start", lambda host: host.start(), InvalidTransition, BackendFailed)
    race.of("stop", lambda host: host.stop()).run(then)


@pytest.mark.parametrize("persistent", [False, True])
def test_a_runner_that_dies_while_it_is_stopped_rests_or_has_ended(hosts: Hosts, persistent: bool) -> None:
    def then(host: Host, stop: Actor, death: Actor) -> None:
        runner = host.latest()
        assert runner.state in ({S.STOPPED} if persistent else {S.STOPPED, S.FAILED}), runner

    race = Race(hosts, partial(idle, ephemeral=not persistent)).of("stop", lambda host: host.stop(), RunnerNotFound)
    race.of("death", lambda host: host.pods.dies(host.latest().id)).run(then, looks=True)


@pytest.mark.parametrize("now", [False, True])
def test_a_job_that_turns_up_while_a_runner_is_stopped_is_killed_only_if_that_was_asked(
    hosts: Hosts, now: bool
) -> None:
    def then(host: Host, stop: Actor, job: Actor) -> None:
        if not now:
            no_job_was_killed(host)

    race = Race(hosts, idle_persistent).of("stop", lambda host: host.stop(now=now))
    race.of("job", lambda host: host.pods.hand_job(host.latest().id, 0.3)).run(then, looks=True)


def test_a_restart_and_a_removal_leave_nothing_of_it(hosts: Hosts) -> None:
    def then(host: Host, restart: Actor, remove: Actor) -> None:
        assert host.latest().state is S.REMOVED

    race = Race(hosts, idle_persistent)
    race.of("restart", lambda host: host.restart(), InvalidTransition, RunnerNotFound).of("remove", remove).run(then)


def test_a_restart_and_a_sweep_start_it_once(hosts: Hosts) -> None:
    def then(host: Host, restart: Actor, sweep: Actor) -> None:
        assert host.latest().state in {S.STARTING, S.IDLE}
        assert host.backend.launches == ["a", "a"]

    Race(hosts, idle_persistent).of("restart", lambda host: host.restart()).of("sweep", sweep).run(then)


def test_two_restarts_both_come_to_their_end(hosts: Hosts) -> None:
    def then(host: Host, one: Actor, other: Actor) -> None:
        assert host.latest().state in {S.STARTING, S.IDLE}
        assert 2 <= len(host.backend.launches) <= 3

    race = Race(hosts, idle_persistent)
    race.of("one", lambda host: host.restart()).of("other", lambda host: host.restart(now=True)).run(then)


@pytest.mark.parametrize("command", ["remove", "stop", "restart", "start"])
def test_what_its_supervisor_left_behind_and_a_command_agree(hosts: Hosts, command: str) -> None:
    """A persistent one whose Listener has died: the reaper would start it again."""

    def dead(host: Host) -> None:
        idle_persistent(host)
        host.clock.sleep(700)
        host.pods.dies(host.latest().id)

    def then(host: Host, reap: Actor, command: Actor) -> None:
        runner = host.latest()
        wanted = {Desired.RUNNING: {S.STARTING, S.IDLE}, Desired.STOPPED: {S.STOPPED}, Desired.GONE: {S.REMOVED}}
        assert runner.state in wanted[runner.desired], runner

    race = Race(hosts, dead).of("reap", lambda host: host.reap(host.latest().id), RunnerBusy)
    refusals = (InvalidTransition, BackendFailed) if command in {"start", "restart"} else ()
    race.of("command", lambda host: getattr(host, command)(), *refusals).run(then)


# -- three at once, and wishes


def test_an_idle_runner_that_is_stopped_removed_and_swept_at_once_is_removed(hosts: Hosts) -> None:
    def then(host: Host, stop: Actor, remove: Actor, sweep: Actor) -> None:
        assert host.latest().state is S.REMOVED

    race = Race(hosts, idle).of("stop", lambda host: host.stop(), InvalidTransition, RunnerNotFound)
    race.of("remove", remove).of("sweep", sweep).run(then)


@pytest.mark.parametrize("persistent", [False, True])
def test_a_step_that_was_decided_by_an_older_wish_does_not_undo_a_newer_one(hosts: Hosts, persistent: bool) -> None:
    """Whoever refuses a gentle removal has seen the wish as it is."""

    def then(host: Host, remove: Actor, wish: Actor) -> None:
        no_job_was_killed(host)
        assert host.latest().state in {S.REMOVED, S.COMPLETED}
        assert host.latest().desired is Desired.GONE

    def wish(host: Host) -> None:
        host.clock.sleep(REFUSED)
        host.services.store.want(host.latest().id, desired=Desired.GONE, how=How.DRAIN, by="a pool")

    race = Race(hosts, partial(with_job, seconds=3.0, ephemeral=not persistent))
    race.of("remove", remove, RunnerBusy).of("wish", wish).run(then, looks=True)


def test_of_two_who_have_seen_the_same_row_one_writes_and_the_other_is_told(hosts: Hosts) -> None:
    def then(host: Host, one: Actor, other: Actor) -> None:
        told = [actor for actor in (one, other) if isinstance(actor.error, InvalidTransition)]
        drained = [event for event in host.store.history(host.latest().id) if event.new is S.STOPPING]
        assert len(drained) == 2 - len(told) == 1

    def stopping(host: Host) -> None:
        row = host.services.store.get(host.latest().id)
        assert row is not None
        host.services.store.transition(row, S.STOPPING)

    def wanted(host: Host) -> None:
        idle(host)
        host.store.want(host.latest().id, desired=Desired.STOPPED, how=How.DRAIN, by="test")

    race = Race(hosts, wanted).of("one", stopping, InvalidTransition)
    race.of("other", stopping, InvalidTransition).run(then, switches=2, looks=True)


def test_a_restart_at_once_does_not_make_a_gentle_removal_kill_a_job(hosts: Hosts) -> None:
    """How the restart was wanted says nothing of how it is to go."""

    def restarted(host: Host) -> None:
        idle_persistent(host)
        host.restart(now=True)
        host.settle()

    def then(host: Host, remove: Actor, job: Actor) -> None:
        no_job_was_killed(host)

    race = Race(hosts, restarted).of("remove", remove, RunnerBusy)
    race.of("job", lambda host: host.pods.hand_job(host.latest().id, 3.0)).run(then, looks=True)


@pytest.mark.parametrize("command", ["stop", "restart", "remove"])
def test_what_github_lost_and_what_a_command_wants_of_it_agree(hosts: Hosts, command: str) -> None:
    """GitHub is asked by its id while the row is free."""

    def lost(host: Host) -> None:
        idle_persistent(host)
        runner = host.latest()
        host.github.delete_runner(runner.scope, runner.github_id or 0)

    def confirm(host: Host) -> None:
        drive.drive(host.services, host.latest().id, absences=lambda _runner: 2)

    def then(host: Host, confirm: Actor, command: Actor) -> None:
        """It has ended, or the command came first."""
        assert not host.latest().live or host.latest().state is S.STOPPED

    race = Race(hosts, lost).of("confirm", confirm)
    refusals = (InvalidTransition, RunnerNotFound, BackendFailed)
    race.of("command", lambda host: getattr(host, command)(), *refusals).run(then, looks=True)
