"""Who follows a log that is rotated reads each line once, however often it looks."""

from __future__ import annotations

import contextlib
import os
import random
from pathlib import Path
from unittest import mock

import pytest

from runnerctl.core.logs import LogReader
from runnerctl.supervisor.runner_log import RunnerLog

KEPT = 3


def words(lines: list[str]) -> list[str]:
    """Without their times."""
    return [line.partition(" ")[2] for line in lines]


@pytest.mark.parametrize("seed", range(40))
def test_lines_are_read_once_and_in_order_whatever_is_rotated_between_two_looks(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    log = RunnerLog(str(tmp_path / "runner.log"), max_bytes=200, keep=KEPT)
    log.hear(["before"])
    with contextlib.closing(LogReader(tmp_path / "runner.log")) as reader:
        reader.begin_at(0)
        written: list[str] = []
        read: list[str] = []
        for _ in range(200):
            # A line is a quarter of a file, so that up to three files are begun between two looks.
            for _ in range(rng.randrange(11)):
                written.append(f"line {len(written)}")
                log.hear([written[-1]])
            read += words(list(reader.lines()))
    assert read == written


def test_what_is_written_between_the_last_look_and_the_rotation_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "runner.log"
    log = RunnerLog(str(path), max_bytes=60, keep=KEPT)
    log.hear(["first"])
    with contextlib.closing(LogReader(path)) as reader:
        reader.begin_at(None)
        look, looks = os.read, []

        def while_it_looks(descriptor: int, size: int) -> bytes:
            looks.append(block := look(descriptor, size))
            if len(looks) == 2:  # it has just seen the end
                log.hear(["second"])
                log.hear(["third"])
            return block

        with mock.patch("os.read", while_it_looks):
            read = words(list(reader.lines()))
        assert not looks[1]
        assert path.with_name("runner.log.1").exists()
        assert read + words(list(reader.lines())) == ["first", "second", "third"]


def test_a_rotation_while_it_begins_gives_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "runner.log"
    log = RunnerLog(str(path), max_bytes=60, keep=KEPT)
    log.hear(["first"])
    open_, opened = os.open, []

    def while_it_begins(name: os.PathLike[str] | str, flags: int, *more: int) -> int:
        if str(name).endswith("runner.log.1") and not opened:
            opened.append(name)
            log.hear(["second " * 4])
        return open_(name, flags, *more)

    with contextlib.closing(LogReader(path)) as reader, mock.patch("os.open", while_it_begins):
        reader.begin_at(None)
        assert words(list(reader.lines())) == ["first", "second " * 4]
