"""Many steps at once, by threads that stay."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from runnerctl.core.host.worker_pool import WorkerPool

PATIENCE = 10


@pytest.fixture
def beside() -> Iterator[WorkerPool]:
    made = WorkerPool(4)
    yield made
    made.close()


def test_the_results_come_in_order(beside: WorkerPool) -> None:
    assert beside.map(str, range(50)) == [str(number) for number in range(50)]


def test_as_many_steps_run_at_once_as_there_are_threads(beside: WorkerPool) -> None:
    all_here = threading.Barrier(4, timeout=PATIENCE)
    beside.map(lambda _: all_here.wait(), range(4))


def test_the_threads_stay(beside: WorkerPool) -> None:
    def together(_: object) -> str:
        all_here.wait()
        return threading.current_thread().name

    all_here = threading.Barrier(4, timeout=PATIENCE)
    assert set(beside.map(together, range(4))) == set(beside.map(together, range(4)))


def test_one_step_needs_no_thread(beside: WorkerPool) -> None:
    assert beside.map(lambda _: threading.current_thread(), [1]) == [threading.current_thread()]


def test_steps_that_have_many_steps_themselves_do_not_wait_for_each_other(beside: WorkerPool) -> None:
    assert beside.map(lambda _: sum(beside.map(lambda number: number, range(5))), range(20)) == [10] * 20


def test_a_step_that_fails_is_told_when_all_are_done(beside: WorkerPool) -> None:
    done: list[int] = []

    def step(number: int) -> None:
        if number == 0:
            raise ValueError(number)
        done.append(number)

    with pytest.raises(ValueError, match="0"):
        beside.map(step, range(20))
    assert sorted(done) == list(range(1, 20))


def test_who_is_interrupted_begins_no_further_step(beside: WorkerPool) -> None:
    begun: list[int] = []
    interrupted, main = threading.Event(), threading.get_ident()
    all_here = threading.Barrier(4, timeout=PATIENCE)

    def step(number: int) -> None:
        begun.append(number)
        all_here.wait()
        if number == 0:
            signal.pthread_kill(main, signal.SIGINT)
        assert interrupted.wait(PATIENCE)

    with pytest.raises(KeyboardInterrupt):
        beside.map(step, range(20))
    interrupted.set()
    beside.close()
    assert sorted(begun) == [0, 1, 2, 3]
