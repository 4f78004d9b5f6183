"""Writers of one database who meet: one after another, and none for ever. Who waits sleeps, so this is no unit test."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from runnerctl.core.domain.errors import Overloaded, RunnerExists
from runnerctl.core.store import Store
from runnerctl.core.store import connection as database
from tests.support.hosts.stores import opened
from tests.unit.test_store import admit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runnerctl.db"


def test_only_one_of_many_at_once_gets_the_name(path: Path) -> None:
    stores = [opened(path) for _ in range(8)]
    outcomes: list[str] = []

    def try_it(store: Store) -> None:
        try:
            outcomes.append(admit(store, "a").id)
        except RunnerExists:
            outcomes.append("taken")

    threads = [threading.Thread(target=try_it, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert sorted(outcomes).count("taken") == 7


def test_a_writer_who_waits_too_long_is_told_that_it_is_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(path).close()
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.1)
    store = opened(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Overloaded):
            admit(store, "a")
        assert store.latest("a") is None
    store.close()
