"""Lists over many who have ended: what lives is found without looking at them, and the loop looks at none."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runnerctl.core.domain.models import RunnerQuery
from runnerctl.core.services import Services
from tests.support.hosts.host import SLOWNESS, Host, Server

MANY = 100_000


def ended(state_dir: Path, count: int) -> None:
    """That many rows like the only one there is, of lives that have ended."""
    with sqlite3.connect(state_dir / "runnerctl.db") as db:
        columns = [column[1] for column in db.execute("PRAGMA table_info(runner)")]
        row = dict(zip(columns, db.execute("SELECT * FROM runner").fetchone(), strict=True))
        del row["seq"]
        names = ", ".join(row)
        rows = (
            {**row, "id": f"old{n:07}", "name": f"old-{n}", "state": "removed", "ended_at": 1.0} for n in range(count)
        )
        db.executemany(
            f"INSERT INTO runner ({names}) VALUES ({', '.join('?' * len(row))})",
            (tuple(r.values()) for r in rows),
        )
    db.close()


@pytest.fixture
def crowded(host: Host) -> Services:
    services = host.services()
    services.store.admit(host.spec("old"), root=host.base_dir / "old")
    ended(host.state_dir, MANY)
    return services


def looked_at(services: Services, query: RunnerQuery) -> float:
    began = time.thread_time()
    services.store.page(query)
    return time.thread_time() - began


def test_what_lives_is_found_without_looking_at_what_has_ended(crowded: Services) -> None:
    """It was the plain list, with no filter at all: 0.2 s on the loop each time."""
    all_of_them = looked_at(crowded, RunnerQuery(every=True, label="none-has-it"))
    for query in (RunnerQuery(), RunnerQuery(label="x"), RunnerQuery(scope="no/pe"), RunnerQuery(tenant="nobody")):
        assert looked_at(crowded, query) < all_of_them / 10
    began = time.thread_time()
    crowded.store.live()
    assert time.thread_time() - began < all_of_them / 10
    crowded.close()


def test_lists_of_what_has_ended_hold_up_nobody(crowded: Services, host: Host, serve: Callable[..., Server]) -> None:
    crowded.close()
    server = serve()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            for query in ("label=none-has-it", "repo=no/pe", "label=n%C3%B6ne"):
                assert server.request("GET", f"/api/v1/runners?all=true&{query}").json()["items"] == []

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for each in asking:
        each.start()
    waits = []
    for _ in range(10):
        began = time.monotonic()
        assert server.request("GET", "/health").status_code == 200
        waits.append(time.monotonic() - began)
        time.sleep(0.05)
    over.set()
    for each in asking:
        each.join()
    assert sorted(waits)[len(waits) // 2] < 0.5 * SLOWNESS
