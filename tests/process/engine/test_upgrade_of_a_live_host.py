"""A host whose runners live while its database is upgraded: they stay alive, known, and lose no job."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.domain.errors import DeadlineExceeded
from runnerctl.core.domain.models import ProcessId
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.services import Services
from runnerctl.core.store import migrations
from runnerctl.core.store.connection import SCHEMA_VERSION
from runnerctl.sandbox import Sandbox
from tests.support.front_ends.cli_running import cli
from tests.support.hosts.host import Host, Server, create, remove, until

pytestmark = pytest.mark.long

REPO = "acme/widgets"
SHARED = ("orphan", "replacement", "own_registration", "backoff", "absence", "api_token")


def columns(db: sqlite3.Connection, schema: str, table: str) -> str:
    return ", ".join(row[1] for row in db.execute(f"PRAGMA {schema}.table_info({table})"))


def go_back_to_version_1(path: Path) -> None:
    """The same rows as the first version would hold them."""
    old = path.with_name("old.db")
    with closing(sqlite3.connect(old)) as db:
        db.executescript(migrations.all_of_them()[0].script.read_text())
        db.execute("ATTACH ? AS new", (str(path),))
        for table in ("runner", *SHARED):
            kept = columns(db, "main", table)
            db.execute(f"INSERT INTO main.{table} ({kept}) SELECT {kept} FROM new.{table} ORDER BY rowid")
        db.execute(
            "INSERT INTO runner_event (runner_id, at, old, new, reason)"
            " SELECT runner_id, at, old, new, reason FROM new.event WHERE type = 'state' ORDER BY seq"
        )
        db.execute("PRAGMA user_version = 1")
        db.commit()
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    old.rename(path)


@contextmanager
def before_the_upgrade(host: Host, services: Services) -> Iterator[None]:
    """What is done within finds the database of the version before, and no process that has the new one open."""
    services.close()
    go_back_to_version_1(host.state_dir / "runnerctl.db")
    yield
    services.__dict__.pop("store", None)


def version(host: Host) -> int:
    with closing(sqlite3.connect(host.state_dir / "runnerctl.db")) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def processes(services: Services) -> dict[str, tuple[ProcessId, ...]]:
    """Of every live runner."""
    reached = {runner.name: services.backends.reach(runner) for runner in services.store.live()}
    return {name: tuple(backend.processes(handle)) for name, (backend, handle) in reached.items()}


@pytest.fixture
def lives(host: Host, services: Services, sandbox: Sandbox) -> dict[str, tuple[ProcessId, ...]]:
    """Two idle runners and one that runs a job until a file ``go`` appears; their processes."""
    for name in ("idle-1", "idle-2", "busy"):
        create(services, host.spec(name), wait=core.Wait.ONLINE)
    sandbox.submit_job(REPO, ["busy"], [{"run": f"while [ ! -e {host.top}/go ]; do sleep 0.02; done"}])
    until(lambda: sweep(services) and services.store.latest("busy").state is RunnerState.BUSY)  # type: ignore[union-attr]
    return processes(services)


def test_a_command_upgrades_and_every_runner_is_as_it_was(
    host: Host, services: Services, sandbox: Sandbox, lives: dict[str, tuple[ProcessId, ...]]
) -> None:
    histories = {runner.id: services.store.history(runner.id) for runner in services.store.live()}
    with before_the_upgrade(host, services):
        assert version(host) == 1
        told = cli("-o", "json", "status", "busy", env=host.environment())
        assert (told.document["status"], told.document["state"]) == ("running", "busy")
        assert version(host) == SCHEMA_VERSION
    assert sweep(services).findings == ()
    assert processes(services) == lives
    assert {runner.id: services.store.history(runner.id) for runner in services.store.live()} == histories
    (host.top / "go").touch()
    (job,) = sandbox.jobs()
    assert sandbox.wait_job(job.id, timeout=20).conclusion == "success"
    until(lambda: sweep(services) and not services.store.latest("busy").live)  # type: ignore[union-attr]
    assert services.store.latest("busy").state is RunnerState.COMPLETED  # type: ignore[union-attr]


def test_a_removal_that_waits_for_a_job_still_does_after_the_upgrade(
    host: Host, services: Services, sandbox: Sandbox, lives: dict[str, tuple[ProcessId, ...]]
) -> None:
    with pytest.raises(DeadlineExceeded):
        remove(services, "busy", drain=True, timeout=0.2)
    before = services.store.latest("busy")
    assert before is not None
    assert before.state is RunnerState.REMOVING
    with before_the_upgrade(host, services):
        repaired = cli("-o", "json", "reconcile", env=host.environment())
        assert repaired.status == 0, repaired.document
    assert sweep(services).findings == ()
    assert processes(services) == lives
    (host.top / "go").touch()
    (job,) = sandbox.jobs()
    assert sandbox.wait_job(job.id, timeout=20).conclusion == "success"
    until(lambda: sweep(services) and not services.store.latest("busy").live)  # type: ignore[union-attr]
    assert services.store.latest("busy").state is RunnerState.REMOVED  # type: ignore[union-attr]


def test_a_server_upgrades_before_it_serves(
    host: Host, services: Services, lives: dict[str, tuple[ProcessId, ...]], serve: object
) -> None:
    with before_the_upgrade(host, services):
        server: Server = serve()  # type: ignore[operator]
        seen = {name: server.status(name) for name in lives}
    assert version(host) == SCHEMA_VERSION
    assert {name: (each["status"], each["pid"]) for name, each in seen.items()} == {
        name: ("running", listener.pid) for name, (_, listener) in lives.items()
    }
    (host.top / "go").touch()


def test_a_command_under_an_older_server_says_what_to_do_and_touches_nothing(
    host: Host, services: Services, lives: dict[str, tuple[ProcessId, ...]]
) -> None:
    with before_the_upgrade(host, services), (host.state_dir / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for argv in (["status", "busy"], ["remove", "--force", "idle-1"], ["reconcile"]):
            refused = cli("-o", "json", *argv, env=host.environment())
            assert refused.error["code"] == "config_invalid"
            assert "Restart the server" in refused.error["hint"]
        assert version(host) == 1
    assert processes(services) == lives
    (host.top / "go").touch()
