"""How a life ends where GitHub does not answer, and where what is asked of the backend takes effect later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.backends.base import Left
from runnerctl.core.domain.errors import BackendFailed, GitHubNoAnswer, GitHubRateLimited, RunnerBusy, RunnerctlError
from runnerctl.core.domain.models import OrphanKind, Scope
from runnerctl.core.domain.states import Desired, How, RunnerState
from runnerctl.core.engine.advance import give_up
from runnerctl.core.engine.steps.removing import begin
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.host.row_locks import row_lock
from tests.support.breaking.interleaving import Interleaving, Schedule
from tests.support.breaking.racing import Host, Hosts

LATENCY = 0.3
"""Seconds that the backend takes for whatever it is asked for."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Whoever sleeps there makes its time go on."""
    made = Hosts(tmp_path).make(Interleaving(Schedule()))
    yield made
    made.close()


@pytest.fixture
def slow(host: Host) -> Host:
    host.pods.latency = LATENCY
    return host


class Unanswering:
    """Counts how often GitHub is asked to delete a registration, and raises that."""

    def __init__(self, error: RunnerctlError) -> None:
        self._error = error
        self.asked = 0

    def __call__(self, _scope: Scope, _github_id: int) -> bool:
        self.asked += 1
        raise self._error


def down(host: Host, error: RunnerctlError | None = None) -> Unanswering:
    github = Unanswering(error or GitHubNoAnswer("GitHub gave no answer"))
    host.github.delete_runner = github  # type: ignore[method-assign]
    return github


# --- GitHub is down ---


@pytest.mark.parametrize("error", [GitHubNoAnswer("no answer"), GitHubRateLimited("too often", retry_after=60.0)])
def test_a_forced_removal_asks_a_github_that_is_down_once(host: Host, error: RunnerctlError) -> None:
    host.create()
    github = down(host, error)
    assert host.remove(force=True).runner.state is RunnerState.REMOVED
    assert github.asked == 1
    assert [orphan.name for orphan in host.store.orphans()] == ["a"]


def test_a_create_that_fails_while_github_is_down_asks_it_once(host: Host) -> None:
    github = down(host)

    def fail(*_: object, **__: object) -> str:
        raise BackendFailed("It could not be started")

    host.backend.launch = fail  # type: ignore[method-assign]
    with pytest.raises(BackendFailed, match="could not be started"):
        host.create()
    assert (host.latest().state, github.asked) == (RunnerState.FAILED, 1)


def test_whoever_asks_again_has_github_asked_again(host: Host) -> None:
    host.create()
    github = down(host)
    host.remove(force=True)
    host.remove()
    assert github.asked == 2


def test_what_could_not_be_asked_for_is_cleared_half_a_minute_later(host: Host) -> None:
    host.create()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host.github, "delete_runner", Unanswering(GitHubNoAnswer("no answer")))
        host.remove(force=True)
    assert host.store.orphans(due_at=host.clock.now() + 29) == []
    host.clock.sleep(31)
    assert len(host.store.orphans(due_at=host.clock.now())) == 1
    host.settle()
    assert host.github.registered == []


# --- A create that is given up ---


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), BackendFailed("It could not be started")])
def test_whoever_removes_it_already_is_not_told_why_it_was_given_up(
    host: Host, failure: BaseException, begun: bool
) -> None:
    """Its removal was asked for, and has ``begun`` or not, when whoever made it was interrupted or failed."""
    host.create()
    removal = core.remove_runner(host.services, "a")
    removal.begin()
    if begun:
        begin(host.services, host.latest())
    give_up(host.services, host.latest(), failure)
    assert removal.outcome() is None
    host.sweep()
    ended = removal.outcome()
    assert ended is not None
    assert ended.runner.state is (RunnerState.REMOVED if begun else RunnerState.FAILED)


# --- what is asked of the backend takes effect later ---


@pytest.mark.parametrize("force", [False, True])
def test_a_life_ends_as_soon_as_the_backend_has_deleted_all_of_it(slow: Host, force: bool) -> None:
    slow.create()
    slow.clock.sleep(1.0)
    began = slow.clock.now()
    assert slow.remove(force=force).runner.state is RunnerState.REMOVED
    assert slow.pods.pods == []
    assert slow.clock.now() - began < 3.0
    assert slow.latest().last_error is None


def test_one_sweep_brings_it_to_its_end(slow: Host) -> None:
    runner = slow.create()
    slow.clock.sleep(1.0)
    slow.store.want(runner.id, desired=Desired.GONE, how=How.GENTLE, by="somebody who has gone")
    sweep(slow.services)
    assert (slow.latest().state, slow.pods.pods) == (RunnerState.REMOVED, [])


def test_one_sweep_clears_what_a_create_that_failed_has_left(slow: Host) -> None:
    def fail(*_: object, **__: object) -> str:
        raise BackendFailed("It could not be started")

    slow.backend.launch = fail  # type: ignore[method-assign]
    slow.pods.latency = 20.0
    with pytest.raises(BackendFailed, match="could not be started"):
        slow.create()
    assert (slow.latest().state, slow.pods.pods) == (RunnerState.FAILED, [])


def test_what_hears_nothing_is_killed_and_waited_for(slow: Host) -> None:
    slow.create()
    slow.clock.sleep(1.0)
    slow.pods.deaf = True
    slow.pods.calls.clear()
    assert slow.remove(force=True).runner.state is RunnerState.REMOVED
    assert slow.pods.pods == []
    assert slow.pods.calls.count("ask_to_end") < 8


def never(_uid: str) -> None:
    """Is asked to delete something."""


ASIDE = Left("'/x/.trash/1' is not deleted: root owns 'built'", path="/x/.trash/1")


@pytest.mark.parametrize("force", [True, False])
def test_a_directory_that_would_not_go_ends_no_life_later_and_keeps_no_name(host: Host, *, force: bool) -> None:
    first = host.create()
    cleanup = host.backend.cleanup
    host.backend.cleanup = lambda _handle: [ASIDE]  # type: ignore[method-assign]
    done = host.remove(force=force)
    assert (done.runner.state, done.runner.reason) == (
        RunnerState.REMOVED,
        "Its directory is kept as orphan 1: root owns 'built'",
    )
    assert "`" not in (done.warning or "")
    assert "{clear_orphan 1}, and so does sudo rm -rf --one-file-system /x/.trash/1" in (done.warning or "")
    host.backend.cleanup = cleanup  # type: ignore[method-assign]
    assert host.create().id != first.id
    (orphan,) = host.store.orphans()
    assert (orphan.kind, orphan.path, orphan.tries) == (OrphanKind.DIRECTORY, "/x/.trash/1", 0)


def test_it_is_tried_again_less_and_less_often_and_what_it_meets_by_then_is_told(host: Host) -> None:
    runner = host.create()
    met = [ASIDE]
    host.backend.cleanup = lambda _handle: list(met)  # type: ignore[method-assign]
    host.remove(force=True)
    waits = []
    for _ in range(6):
        (orphan,) = host.store.orphans()
        waits.append(orphan.next_try_at - host.clock.now())
        assert not core.finish_orphans(host.services), "none is due yet, and none waits for it"
        assert host.store.orphans() == [orphan]
        host.clock.sleep(waits[-1] + 1)
        core.finish_orphans(host.services)
    assert [round(wait) for wait in waits] == [30, 30, 60, 300, 900, 3600]
    met[:] = [
        ASIDE._replace(message="'/x/.trash/1' is not deleted: '/x/.trash/1/a' is mounted there", hint="umount it")
    ]
    host.clock.sleep(3601)
    core.finish_orphans(host.services)
    (orphan,) = host.store.orphans()
    assert (orphan.reason, orphan.hint) == ("'/x/.trash/1/a' is mounted there", "umount it")
    met.clear()
    assert core.clear_orphans(host.services, host.store.orphans()).failures == []
    assert (host.store.orphans(), host.store.get(runner.id)) == ([], host.latest())


def test_what_may_still_be_in_use_keeps_its_life_whatever_else_is_left(host: Host) -> None:
    host.create()
    host.backend.cleanup = lambda _handle: [ASIDE, Left("Its processes live")]  # type: ignore[method-assign]
    with pytest.raises(BackendFailed, match="Its processes live"):
        host.remove(force=True)
    assert (host.latest().state, host.store.orphans()) == (RunnerState.REMOVING, [])


def test_one_whose_row_somebody_holds_is_tried_later(host: Host) -> None:
    runner = host.create()
    host.backend.cleanup = lambda _handle: [ASIDE]  # type: ignore[method-assign]
    host.remove(force=True)
    with row_lock(host.services.row_locks, runner.id):
        ((_, error),) = core.clear_orphans(host.services, host.store.orphans()).failures
    assert isinstance(error, RunnerBusy)
    assert host.store.orphans()[0].tries == 1


def test_what_is_never_deleted_is_said_after_a_minute_and_tried_on(slow: Host) -> None:
    slow.create()
    slow.clock.sleep(1.0)
    delete: Callable[[str], None] = slow.pods.delete
    slow.pods.delete = never  # type: ignore[method-assign]
    began = slow.clock.now()
    with pytest.raises(BackendFailed, match="is just being deleted"):
        slow.remove()
    assert 30 < slow.clock.now() - began < 90
    assert slow.latest().state is RunnerState.REMOVING
    slow.pods.delete = delete  # type: ignore[method-assign]
    sweep(slow.services)
    slow.clock.sleep(1.0)
    sweep(slow.services)
    assert slow.latest().state is RunnerState.REMOVED
