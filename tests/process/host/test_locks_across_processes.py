"""Locks exclude other processes, and end with whoever holds them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from runnerctl.core.host.locks import LockHeld, file_lock

HOLDER = """
import sys
from pathlib import Path
from runnerctl.core.host.locks import file_lock
with file_lock(Path(sys.argv[1], sys.argv[2]), wait=0):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold_in_another_process(locks_dir: Path, name: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(locks_dir), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def finish(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=10)


def test_what_another_process_holds_is_held(tmp_path):
    process = hold_in_another_process(tmp_path, "builder")
    try:
        with pytest.raises(LockHeld, match="held by another process"), file_lock(tmp_path / "builder", wait=0):
            pass
    finally:
        finish(process)
    with file_lock(tmp_path / "builder", wait=0):
        pass


def test_a_killed_holder_holds_no_longer(tmp_path):
    process = hold_in_another_process(tmp_path, "one")
    os.kill(process.pid, signal.SIGKILL)
    with file_lock(tmp_path / "one", wait=10):
        pass
    finish(process)


def test_a_forked_child_does_not_keep_the_lock(tmp_path):
    with file_lock(tmp_path / "a.lock", wait=0):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(reader, 1)
            os._exit(0)
    try:
        with file_lock(tmp_path / "a.lock", wait=0):
            pass
    finally:
        os.write(writer, b".")
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)


def test_a_wait_ends_when_the_lock_becomes_free(tmp_path):
    process = hold_in_another_process(tmp_path, "one")
    threading.Timer(0.05, process.stdin.close).start()
    with file_lock(tmp_path / "one", wait=60):
        pass
    process.wait(10)
    process.stdout.close()
