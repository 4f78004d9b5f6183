"""Ten processes at one database at once: all come through, and none waits so long that it gives up."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runnerctl.core.services import Services
from runnerctl.core.store.connection import _BUSY_SECONDS, Database
from tests.support.front_ends.cli_running import cli
from tests.support.hosts.host import Host

pytestmark = pytest.mark.long

SECONDS = 2.0


def at_once(path: Path, *kinds: str) -> list[dict[str, Any]]:
    """What each says of itself; they begin together."""
    argv = [sys.executable, "-m", "tests.support.busy_store"]
    processes = [
        subprocess.Popen(
            [*argv, kind, str(path), str(SECONDS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for kind in kinds
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate(timeout=100)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(kinds)
    return [json.loads(each) for each in told]


@pytest.mark.parametrize("writers", [5, 10])
def test_none_of_ten_waits_over_its_busy_timeout(tmp_path: Path, writers: int) -> None:
    """The first of them makes the database, with all others at the door."""
    told = at_once(tmp_path / "runnerctl.db", *["write"] * writers, *["read"] * (10 - writers))
    assert all(each["acts"] > 10 for each in told)
    slowest = {what: max(each.get(what, 0.0) for each in told) for what in ("open", "read", "write")}
    assert slowest["write"] < _BUSY_SECONDS, slowest
    assert slowest["read"] < 2, slowest
    assert slowest["open"] < _BUSY_SECONDS, slowest


def test_a_process_with_a_queue_of_writers_lets_another_one_in(tmp_path: Path) -> None:
    """On a disk on which a commit takes its time; 37 of the queue went before each of the other's, 138 at worst."""
    queue, other = Database(tmp_path / "x.db"), Database(tmp_path / "x.db")
    done, written = threading.Event(), []

    def write_on() -> None:
        while not done.is_set():
            with queue._transaction():
                written.append(1)
                time.sleep(0.01)

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write_on) for _ in range(4)]
        before = []
        try:
            for _ in range(20):
                since = len(written)
                with other._transaction():
                    before.append(len(written) - since)
                time.sleep(0.015)
        finally:
            done.set()
    assert [writer.result() for writer in writers] == [None] * 4
    assert sum(before) < 100, before
    queue.close()
    other.close()


def test_a_status_waits_for_no_writer(host: Host, services: Services) -> None:
    services.store.admit(host.spec("one"), root=host.base_dir / "one")
    with closing(sqlite3.connect(host.state_dir / "runnerctl.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        told = cli("-o", "json", "status", "one", env=host.environment())
        assert time.monotonic() - began < 10
        assert (told.status, told.document["state"]) == (3, "pending")
        writer.execute("ROLLBACK")
