"""Locks of rows: threads exclude each other, nobody waits, nothing is left of them. Processes: ``tests/process``."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.host.row_locks import RowHeld, RowLock, holder, row_lock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "rows.lock"


def test_a_state_directory_that_was_deleted_is_not_made_anew_for_a_lock(path: Path) -> None:
    missing = path.parent / "deleted" / "locks" / "rows.lock"
    with pytest.raises(ConfigInvalid, match="is gone"):
        RowLock(missing, "one")
    assert not (path.parent / "deleted").exists()


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def in_a_thread(work: object) -> None:
    thread = threading.Thread(target=work)  # type: ignore[arg-type]
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


def test_a_row_that_another_thread_holds_is_refused_at_once_and_others_are_free(path: Path) -> None:
    met: list[str] = []

    def other() -> None:
        with pytest.raises(RowHeld, match="one"):
            RowLock(path, "one")
        with row_lock(path, "two"):
            met.append("two")

    with row_lock(path, "one"):
        in_a_thread(other)
    assert met == ["two"]


def test_a_row_excludes_its_own_thread_too(path: Path) -> None:
    with row_lock(path, "one"), pytest.raises(RowHeld), row_lock(path, "one"):
        pass
    with row_lock(path, "one"):
        pass


def test_of_many_threads_one_holds_a_row_at_a_time(path: Path) -> None:
    together, counted = threading.Barrier(8), threading.Lock()
    inside = most = got = 0

    def work() -> None:
        nonlocal inside, most, got
        together.wait(10)
        for _ in range(100):
            try:
                lock = RowLock(path, "one")
            except RowHeld:
                os.sched_yield()
                continue
            with counted:
                inside, got = inside + 1, got + 1
                most = max(most, inside)
            os.sched_yield()
            with counted:
                inside -= 1
            lock.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == 1
    assert got >= 8


def test_a_lock_is_given_up_by_another_thread_than_took_it(path: Path) -> None:
    lock = RowLock(path, "one")
    in_a_thread(lock.close)
    with row_lock(path, "one"):
        pass


def test_whoever_fails_within_it_holds_it_no_longer(path: Path) -> None:
    with pytest.raises(ValueError, match="a step"), row_lock(path, "one"):
        raise ValueError("a step")
    with row_lock(path, "one"):
        pass


def test_a_thousand_rows_are_one_file_that_does_not_grow_and_is_ours_alone(path: Path) -> None:
    locks = [RowLock(path, f"row{number}") for number in range(100)]
    for lock in locks:
        lock.close()
    for number in range(1000):
        with row_lock(path, f"row{number}"):
            pass
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_size == 0
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_no_descriptor_is_left_by_whoever_was_refused(path: Path) -> None:
    with row_lock(path, "one"):
        before = descriptors()
        for _ in range(20):
            with pytest.raises(RowHeld):
                RowLock(path, "one")
        assert descriptors() == before


def test_a_link_in_its_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        RowLock(path, "one")
    assert not (tmp_path / "elsewhere").exists()


def test_who_holds_a_row_is_named(path: Path) -> None:
    assert holder(path, "one") is None
    with row_lock(path, "one"):
        assert holder(path, "one") == os.getpid()
        assert holder(path, "two") is None
    assert holder(path, "one") is None
