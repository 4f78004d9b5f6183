"""A disk that is full, for real: a small file system of its own."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.core.host import processes
from tests.support.hosts.supervised import until

pytest_plugins = ("tests.support.breaking.orphans",)

_DETACH = 2


@pytest.fixture
def small_disk(as_root: None, tmp_path: Path) -> Iterator[Path]:
    """256 KiB, full as soon as somebody fills it."""
    directory = tmp_path / "disk"
    directory.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(directory), b"tmpfs", 0, b"size=256k") != 0:
        pytest.skip(f"needs root that may mount: {os.strerror(ctypes.get_errno())}")
    yield directory
    libc.umount2(os.fsencode(directory), _DETACH)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            return


def test_a_full_disk_costs_neither_the_runner_nor_what_is_known_of_it(orphan, small_disk):
    it = orphan()
    it.run_dir = small_disk / it.life
    it.run_dir.mkdir(mode=0o700)
    it.launch["pid_file"] = str(it.run_dir / "runner.pid")
    it.started()
    it.phase("listening")
    fill(small_disk / "filler")
    it.order("w = worker(); say('Running job: build')")
    it.order("[line(str(n) + 'y' * 4000) for n in range(50)]; open('said', 'w').close()")
    until((it.root / "said").exists)
    assert processes.alive(it.process())
    assert processes.alive(it.process("listener"))
    (small_disk / "filler").unlink()
    it.phase("busy")  # the record is caught up with, without anything new being said
    it.order("line('space again')")
    assert "lines were dropped" in it.logged("space again")
    it.job_ends()
    until(lambda: it.record["last_job"])
    it.signal(signal.SIGINT)
    record = it.ended()
    assert (record["outcome"], record["jobs_run"]) == ("stopped", 1)
