"""Locks of rows exclude other processes, and end with whoever holds them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runnerctl.core.host.row_locks import RowHeld, RowLock, holder, is_held, row_lock

HOLDER = """
import sys
from pathlib import Path
from runnerctl.core.host.row_locks import row_lock
with row_lock(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_holds(path: Path, row: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), row], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.communicate(timeout=10)


def test_a_row_that_another_process_holds_is_refused_until_it_goes_and_others_are_free(tmp_path: Path) -> None:
    path = tmp_path / "rows.lock"
    with another_holds(path, "one") as process:
        with pytest.raises(RowHeld):
            RowLock(path, "one")
        assert holder(path, "one") == process.pid
        with row_lock(path, "two"):
            pass
    with row_lock(path, "one"):
        pass


def test_whether_a_row_is_held_is_seen_without_holding_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.lock"
    assert not is_held(path, "one")
    assert not path.exists(), "who only looks makes nothing"
    with another_holds(path, "one"):
        assert is_held(path, "one")
        assert not is_held(path, "two")
    assert not is_held(path, "one")
    with row_lock(path, "one"):
        assert is_held(path, "one"), "by another thread of this process"


def test_a_killed_holder_holds_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "rows.lock"
    with another_holds(path, "one") as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        with row_lock(path, "one"):
            pass


def test_a_holder_that_is_stopped_goes_on_holding(tmp_path: Path) -> None:
    path = tmp_path / "rows.lock"
    with another_holds(path, "one") as process:
        os.kill(process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(RowHeld):
                RowLock(path, "one")
        finally:
            os.kill(process.pid, signal.SIGCONT)


def test_a_forked_child_does_not_keep_a_lock_that_its_parent_gave_up(tmp_path: Path) -> None:
    path = tmp_path / "rows.lock"
    reader, writer = os.pipe()
    with row_lock(path, "one"):
        child = os.fork()
        if child == 0:
            os.read(reader, 1)
            os._exit(0)
    try:
        with row_lock(path, "one"):
            pass
    finally:
        os.write(writer, b".")
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)


def test_a_program_that_was_started_within_it_does_not_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.lock"
    with row_lock(path, "one"):
        program = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        with row_lock(path, "one"):
            pass
    finally:
        program.communicate(timeout=10)
