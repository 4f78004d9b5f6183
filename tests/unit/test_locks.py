"""Locks exclude processes and threads alike, and end with whoever holds them."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.host.locks import LockHeld, file_lock


class CountingClock:
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return self.monotonic()

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_another_name_is_free(tmp_path):
    with file_lock(tmp_path / "one.lock", wait=0), file_lock(tmp_path / "two.lock", wait=0):
        pass


def test_threads_exclude_each_other(tmp_path):
    inside, most, counter = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(5):
            with file_lock(tmp_path / "one.lock", wait=None):
                with counter:
                    inside += 1
                    most = max(most, inside)
                os.sched_yield()
                with counter:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == 1


def test_a_bounded_wait_pauses_longer_and_longer_and_gives_up_in_time(tmp_path):
    clock = CountingClock()
    with (
        file_lock(tmp_path / "a.lock", wait=0),
        pytest.raises(LockHeld) as refused,
        file_lock(tmp_path / "a.lock", wait=1.0, clock=clock),
    ):
        pass
    assert sum(clock.slept) == pytest.approx(1.0)
    assert clock.slept[0] == pytest.approx(0.01)
    assert max(clock.slept) == pytest.approx(0.05)
    assert refused.value.retryable
    assert refused.value.code == "deadline_exceeded"


def test_the_file_stays_and_is_for_its_owner_only(tmp_path):
    with file_lock(tmp_path / "locks" / "one.lock", wait=0):
        pass
    assert stat.S_IMODE((tmp_path / "locks" / "one.lock").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "locks").stat().st_mode) == 0o700


def test_an_error_inside_frees_the_lock(tmp_path):
    with pytest.raises(RuntimeError), file_lock(tmp_path / "a.lock", wait=0):
        raise RuntimeError
    with file_lock(tmp_path / "a.lock", wait=0):
        pass


def test_a_symlink_is_refused_and_its_target_not_created(tmp_path):
    (tmp_path / "a.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigInvalid, match="is a symlink"), file_lock(tmp_path / "a.lock", wait=0):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_no_descriptor_is_left_open(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with file_lock(tmp_path / "a.lock", wait=0), pytest.raises(LockHeld), file_lock(tmp_path / "a.lock", wait=0):
            pass
    # What another test has left may be collected meanwhile.
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
