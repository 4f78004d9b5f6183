"""Whatever is raised in a server's threads: each goes on, and the row comes back. One that hangs is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from runnerctl import core
from runnerctl.core.domain.errors import Overloaded
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.states import Desired, How, RunnerState
from runnerctl.core.engine import reconciler
from runnerctl.core.engine.lanes import THREADS, Lane
from runnerctl.core.host.row_locks import row_lock
from runnerctl.server import watcher as watching
from runnerctl.server.app import build_app
from runnerctl.server.keys import READINESS
from runnerctl.server.offload import Offload
from runnerctl.server.watcher import Watcher
from tests.support.breaking.interleaving import Interleaving, Schedule
from tests.support.breaking.racing import Host, Hosts
from tests.support.hosts.clocks import JumpingClock as Clock
from tests.support.hosts.host import until

S = RunnerState


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def host(tmp_path: Path, clock: Clock) -> Iterator[Host]:
    made = Hosts(tmp_path).make(Interleaving(Schedule()), clock=clock)
    yield made
    made.close()


@pytest.fixture
def runners(host: Host) -> list[Runner]:
    return [host.create(name) for name in ("a", "b")]


@pytest.fixture
def watcher(host: Host, runners: list[Runner], monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    """At work, and sweeping all the time."""
    monkeypatch.setattr(watching, "SWEEP_SECONDS", 0.05)
    loop = asyncio.new_event_loop()
    made = Watcher(host.services, Offload(), loop)
    made.start()
    until(lambda: all(host.latest(each.name).state is S.IDLE for each in runners))
    yield made
    made.stop()
    loop.close()


def fails(act: Callable[..., Any], runner: Runner | None = None, *, times: int = 1) -> Callable[..., Any]:
    """The same, which first raises what nobody expects, so often; only about that runner, if one is given."""
    left = [times]

    def failing(*args: Any, **options: Any) -> Any:
        concerned = runner is None or any(runner.id in str(each) for each in args)
        if concerned and left[0] > 0:
            left[0] -= 1
            raise ValueError("nobody expects this")
        return act(*args, **options)

    return failing


def stop(host: Host, watcher: Watcher, *runners: Runner) -> None:
    for runner in runners:
        host.services.store.want(runner.id, desired=Desired.STOPPED, how=How.DRAIN, by="test")
        watcher.engine.enqueue(runner.id)


def stopped(host: Host, runner: Runner) -> bool:
    return host.latest(runner.name).state is S.STOPPED


def test_a_step_that_raises_what_nobody_expects_is_tried_again_and_delays_no_other(
    host: Host, runners: list[Runner], watcher: Watcher, clock: Clock
) -> None:
    a, b = runners
    host.backend.drain = fails(host.backend.drain, a)  # type: ignore[method-assign]
    stop(host, watcher, a, b)
    until(lambda: stopped(host, b))
    until(lambda: watcher.engine.beat.errors > 0)
    clock.ahead += reconciler._FAILED_SECONDS + 1
    until(lambda: stopped(host, a))


def test_a_look_that_raises_what_nobody_expects_keeps_no_other_from_being_seen(
    host: Host, runners: list[Runner], watcher: Watcher
) -> None:
    a, b = runners
    host.backend.observe = fails(host.backend.observe, a, times=10**9)  # type: ignore[method-assign]
    host.backend.observe_all = fails(host.backend.observe_all, times=10**9)  # type: ignore[method-assign]
    host.pods.dies(b.id)
    until(lambda: not host.latest("b").live)
    assert host.latest("a").state is S.IDLE


def test_what_follows_a_step_may_fail_and_the_row_comes_back(
    host: Host, runners: list[Runner], watcher: Watcher
) -> None:
    a, _ = runners
    host.backend.processes = fails(host.backend.processes, a, times=10**9)  # type: ignore[method-assign]
    stop(host, watcher, a)
    until(lambda: stopped(host, a))
    host.services.store.want_running(a.id, by="test")
    watcher.engine.enqueue(a.id)
    until(lambda: host.latest("a").state is S.IDLE)


def test_a_database_that_fails_behind_a_creates_last_step_keeps_no_row_held(
    host: Host, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    is_made = watcher.engine._is_made

    def busy_first(runner_id: str) -> bool:
        asked.append(runner_id)
        if len(asked) == 1:
            raise Overloaded("the database is locked")
        return is_made(runner_id)

    monkeypatch.setattr(watcher.engine, "_is_made", busy_first)
    create = core.create_runner(host.services, host.spec("c"))
    create.begin()
    making, create.making = create.making, None
    assert making is not None
    watcher.engine.make(making)
    until(lambda: host.latest("c").state is S.IDLE)
    until(lambda: is_free(host, making.runner_id))


def is_free(host: Host, runner_id: str) -> bool:
    try:
        with row_lock(host.services.row_locks, runner_id):
            return True
    except Exception:
        return False


def test_a_list_of_github_that_nobody_understands_is_asked_for_again(
    host: Host, runners: list[Runner], watcher: Watcher, clock: Clock
) -> None:
    asked: list[object] = []
    host.github.list_runners = fails(lambda scope: asked.append(scope) or [])  # type: ignore[method-assign, func-returns-value]
    clock.ahead += 61
    until(lambda: asked)
    assert watcher.engine.beat.errors > 0


def test_what_hears_the_pokes_goes_on_after_an_error(host: Host, runners: list[Runner], watcher: Watcher) -> None:
    a, _ = runners
    watcher._processes.wait = fails(watcher._processes.wait, times=2)  # type: ignore[method-assign]
    until(lambda: watcher.engine.beat.errors >= 2)
    assert host.pods.hand_job(a.id, 60)
    until(lambda: host.latest("a").state is S.BUSY)
    assert all(thread.is_alive() for thread in watcher._threads)


def test_who_hears_of_changes_and_fails_makes_no_write_fail(host: Host, runners: list[Runner]) -> None:
    def raises(_runner_id: str) -> None:
        raise ValueError("nobody expects this")

    host.services.runner_events.subscribe(raises)
    host.stop("a")
    assert host.latest("a").state is S.STOPPED


@pytest.fixture
def hung(host: Host) -> Iterator[threading.Event]:
    """Whoever looks at a runner, or at all of them, waits until it is set."""
    goes_on = threading.Event()

    def hanging(look: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda asked: goes_on.wait() and look(asked)

    host.backend.observe = hanging(host.backend.observe)  # type: ignore[method-assign]
    host.backend.observe_all = hanging(host.backend.observe_all)  # type: ignore[method-assign]
    yield goes_on
    goes_on.set()


@pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")
def test_a_thread_that_hangs_is_named_by_readyz_until_it_goes_on(
    host: Host, watcher: Watcher, hung: threading.Event, clock: Clock
) -> None:
    assert watcher.silent() == []
    began = watcher._beats["sweep"]
    until(lambda: watcher._beats["watcher"] > began + 1)  # more than a sweep's pause: it hangs
    clock.ahead += watching.SILENT_SECONDS + 1
    until(lambda: watcher.silent() == ["sweep"])
    status, document = readyz(host, watcher)
    assert (status, document["status"], document["silent"]) == (503, "failing", ["sweep"])
    assert "sweep" in document["reason"]
    checks = {check["name"]: check["ok"] for check in document["checks"]}
    assert [name for name, ok in checks.items() if not ok] == ["sweep"]
    assert {"start", "stop", "store", "watcher", "housekeeping", "engine", "engine-local"} < checks.keys()
    hung.set()
    until(lambda: watcher.silent() == [])
    assert readyz(host, watcher)[0] == 200


def test_an_engine_whose_threads_all_hang_is_named_too(
    host: Host, watcher: Watcher, hung: threading.Event, clock: Clock
) -> None:
    for number in range(THREADS[Lane.LOCAL]):
        admitted = host.store.admit(host.spec(f"c{number}"), root=host.top / f"c{number}", backend="remote")
        watcher.engine.enqueue(admitted.id)
    until(lambda: sum(row.at_work for row in watcher.engine._rows.values()) >= THREADS[Lane.LOCAL])
    clock.ahead += watching.SILENT_SECONDS + 1
    until(lambda: "engine-local" in watcher.silent() and "engine" not in watcher.silent())
    hung.set()
    until(lambda: watcher.silent() == [])


def readyz(host: Host, watcher: Watcher) -> tuple[int, Any]:
    async def ask() -> tuple[int, Any]:
        app = build_app(host.services, token="x" * 32)
        app[READINESS].started, app[READINESS].silent, app[READINESS].heard = True, watcher.silent, watcher.heard
        async with TestClient(TestServer(app)) as client:
            answer = await client.get("/readyz?verbose&whatever=1")
            return answer.status, await answer.json()

    return asyncio.run(ask())
