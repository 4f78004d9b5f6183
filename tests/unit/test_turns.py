"""Who has just written lets in who waits, and costs nobody else anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runnerctl.core.store.turns import Turns


class Process:
    """One that writes; its clock stands still but for its own pauses."""

    def __init__(self, directory: Path) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.turns = Turns(directory, pause=0.002, sleep=self._sleep, monotonic=lambda: self.now)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


@pytest.fixture
def process(tmp_path: Path) -> Callable[[], Process]:
    return lambda: Process(tmp_path)


def test_who_has_just_written_pauses_longer_than_who_waits(process: Callable[[], Process]) -> None:
    writer, other = process(), process()
    writer.turns.wrote()
    with other.turns.waiting():
        writer.turns.give_way()
    assert len(writer.pauses) == 1
    assert writer.pauses[0] > 2 * 0.002


def test_nobody_pauses_for_nobody(process: Callable[[], Process]) -> None:
    writer, other = process(), process()
    writer.turns.wrote()
    writer.turns.give_way()
    with other.turns.waiting():
        pass
    writer.turns.give_way()
    assert not writer.pauses


def test_who_has_not_written_lately_is_as_new_as_others(process: Callable[[], Process]) -> None:
    writer, other = process(), process()
    writer.turns.wrote()
    writer.now += 1
    with other.turns.waiting():
        writer.turns.give_way()
    assert not writer.pauses


def test_two_who_wait_do_not_keep_each_other_from_it(process: Callable[[], Process]) -> None:
    writer, one, two = process(), process(), process()
    writer.turns.wrote()
    with one.turns.waiting(), two.turns.waiting():
        pass
    with one.turns.waiting():
        writer.turns.give_way()
    assert len(writer.pauses) == 1


def test_a_directory_that_is_not_there_is_no_reason_to_pause(tmp_path: Path) -> None:
    writer = Process(tmp_path / "none")
    writer.turns.wrote()
    with writer.turns.waiting():
        writer.turns.give_way()
    writer.turns.close()
    assert not writer.pauses
