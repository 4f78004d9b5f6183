"""A list of a remote backend may be stale, empty, slow, doubled or missing: none proves that a runner is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from runnerctl.core.backends.base import Jit, Provision
from runnerctl.core.domain.errors import BackendFailed
from tests.support.remote_backend import (
    INSTALLATION,
    Cluster,
    DuplicatedList,
    EmptyByError,
    NoList,
    RemoteBackend,
    SlowList,
    StaleList,
    handle_for,
)


class HandedClock:
    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock() -> HandedClock:
    return HandedClock()


def runner_on(
    cluster: Cluster, clock: HandedClock, tmp_path: Path, runner_id: str = "one"
) -> tuple[RemoteBackend, str]:
    """One that listens."""
    backend = RemoteBackend(cluster, logs=tmp_path)
    handle = backend.provision(Provision(runner_id=runner_id, name=runner_id, ephemeral=True, base_dir=tmp_path))
    handle = backend.launch(backend.accept(handle, Jit("blob")).handle)
    clock.sleep(1.0)
    assert backend.observe(handle).online_at is not None
    return backend, handle


def test_who_is_missing_in_a_list_that_is_empty_by_error_is_asked_for_by_name(
    clock: HandedClock, tmp_path: Path
) -> None:
    backend, handle = runner_on(EmptyByError(clock.now), clock, tmp_path)
    assert backend.observe_all([handle])[handle].running


def test_what_a_stale_list_shows_is_as_old_as_it_is(clock: HandedClock, tmp_path: Path) -> None:
    cluster = StaleList(clock.now)
    backend, handle = runner_on(cluster, clock, tmp_path)
    assert backend.observe_all([handle])[handle].running, "it is too new to be in it"
    cluster.note()
    noted_at = clock.now()
    backend.kill(handle)
    clock.sleep(61.0)
    seen = backend.observe_all([handle])[handle]
    assert seen.running
    assert seen.began == noted_at
    assert backend.observe(handle).gone


def test_a_slow_list_tells_of_the_time_when_it_was_asked_for(clock: HandedClock, tmp_path: Path) -> None:
    backend, handle = runner_on(SlowList(clock.now, sleep=clock.sleep), clock, tmp_path)
    asked_at = clock.now()
    seen = backend.observe_all([handle])[handle]
    assert clock.now() == asked_at + 30.0
    assert seen.running
    assert seen.began == asked_at


def test_of_a_list_that_has_it_twice_the_one_of_the_handle_counts(clock: HandedClock, tmp_path: Path) -> None:
    backend, handle = runner_on(DuplicatedList(clock.now), clock, tmp_path)
    other = handle_for("other")
    seen = backend.observe_all([handle, other])
    assert seen[handle].running
    assert seen[other].gone
    # What an earlier life of it left carries its mark, too.
    assert sorted(found.runner_id for found in backend.discover()) == ["one", "one"]
    assert len({found.handle for found in backend.discover()}) == 2


def test_without_a_list_nothing_is_known_and_nothing_is_gone(clock: HandedClock, tmp_path: Path) -> None:
    backend, handle = runner_on(NoList(clock.now), clock, tmp_path)
    seen = backend.observe_all([handle])[handle]
    assert (seen.running, seen.supervised, seen.gone) == (None, None, False)
    assert seen.error == "503 Service Unavailable"
    with pytest.raises(BackendFailed, match="503"):
        list(backend.discover())
    assert backend.check()[0].fatal


def test_one_list_serves_for_all(clock: HandedClock, tmp_path: Path) -> None:
    cluster = Cluster(clock.now)
    made = [runner_on(cluster, clock, tmp_path, f"r{number}") for number in range(20)]
    backend, handles = made[0][0], [handle for _, handle in made]
    cluster.calls.clear()
    assert all(seen.running for seen in backend.observe_all(handles).values())
    assert cluster.calls == ["list"]


def test_what_is_not_ours_is_neither_found_nor_touched(clock: HandedClock, tmp_path: Path) -> None:
    cluster = Cluster(clock.now)
    backend, handle = runner_on(cluster, clock, tmp_path)
    cluster._pods["uid-1"].installation = "theirs"
    assert INSTALLATION != "theirs"
    assert list(backend.discover()) == []
    assert backend.observe_all([handle])[handle].running, "asked for by name, it is what the handle says"


def test_who_watches_hears_of_what_happens(clock: HandedClock, tmp_path: Path) -> None:
    cluster = Cluster(clock.now)
    backend, handle = runner_on(cluster, clock, tmp_path)
    heard: list[str] = []
    watch = backend.watch(heard.append)
    backend.drain(handle)
    clock.sleep(1.0)
    assert backend.observe(handle).gone
    assert heard == ["one"]
    watch.close()
    backend.kill(handle)
    clock.sleep(1.0)
    backend.observe(handle)
    assert heard == ["one"]


def test_a_death_without_a_word_is_told(clock: HandedClock, tmp_path: Path) -> None:
    cluster = Cluster(clock.now)
    backend, handle = runner_on(cluster, clock, tmp_path)
    cluster.give_job("one", 60.0)
    assert backend.working(handle)
    cluster.dies("one")
    assert not backend.working(handle)
    assert backend.observe_all([handle])[handle].gone
