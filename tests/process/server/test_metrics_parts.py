"""What metrics are made of: events counted once over a restart, names that are bounded, parts that fail by themselves,
and a loop that does not wait for their text.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from runnerctl.core import OPERATOR, Reconciler
from runnerctl.core.access.grants import Actor, TokenLimits
from runnerctl.core.access.policy import Right
from runnerctl.core.domain.event_queries import EventQuery
from runnerctl.core.domain.life_times import SETTLE_SECONDS
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.observation import SeenJob
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.services import Services
from runnerctl.server.metrics import host as of_host
from runnerctl.server.metrics import tenants
from runnerctl.server.metrics.exposition import Exposition, Page
from runnerctl.server.metrics.kept import Kept
from runnerctl.server.metrics.lives import Lives
from runnerctl.server.metrics.repositories import MOST, OTHERS, Repositories
from runnerctl.server.offload import THREADS, Offload
from runnerctl.server.streams.event_reader import EventReader
from tests.support.hosts.clocks import JumpingClock
from tests.support.hosts.exported import Exported, read
from tests.support.hosts.host import Host, until

S = RunnerState


def exported(registry: CollectorRegistry) -> Exported:
    return read(generate_latest(registry).decode())


@contextmanager
def reading(services: Services) -> Iterator[CollectorRegistry]:
    """As a server does from its start to its stop."""
    registry = CollectorRegistry()
    reader = EventReader(services, Lives(services, Kept(registry)).hear)
    reader.start()
    try:
        yield registry
    finally:
        reader.stop()


def has_run_a_job(services: Services, made_on: Host, name: str, **more: str) -> Runner:
    runner = services.store.admit(made_on.spec(name, **more), root=made_on.base_dir / name)
    runner = services.store.transition(runner, S.REGISTERED, S.STARTING, S.IDLE)
    now = services.clock.now()
    job = SeenJob(name="build", started_at=now, ended_at=now + 5, result="succeeded", result_from="listener")
    services.store.note_job(runner.id, job)
    return runner


def jobs(registry: CollectorRegistry) -> float:
    return exported(registry).value("runnerctl_jobs_total", result="succeeded")


# --- Events ---


def test_a_restart_counts_nothing_again_and_goes_on_with_lives_that_began_before(
    services: Services, host: Host
) -> None:
    with reading(services) as first:
        has_run_a_job(services, host, "a")
        begun = services.store.transition(
            services.store.admit(host.spec("b"), root=host.base_dir / "b"), S.REGISTERED, S.STARTING
        )
        until(lambda: jobs(first) == exported(first).value("runnerctl_create_to_online_seconds_count") == 1)
    with reading(services) as second:
        assert jobs(second) == 0
        services.store.transition(begun, S.IDLE)
        has_run_a_job(services, host, "c")
        until(lambda: jobs(second) == 1)
        told = exported(second)
    assert told.value("runnerctl_runners_created_total") == 1
    assert told.value("runnerctl_create_to_online_seconds_count") == 2


def test_what_another_process_writes_is_counted_without_a_wake_up(services: Services, host: Host) -> None:
    with reading(services) as registry:
        other = host.services()
        has_run_a_job(other, host, "a")
        other.close()
        until(lambda: jobs(registry) == 1)


@pytest.mark.parametrize("named", [True, False])
def test_repositories_are_named_by_the_setting_and_never_by_a_job(host: Host, named: bool) -> None:
    services = host.services(RUNNERCTL_METRICS_REPOSITORIES=str(named))
    with reading(services) as registry:
        runner = has_run_a_job(services, host, "a", repo="Acme/Widgets")
        now = services.clock.now()
        told = SeenJob(name="x", started_at=now + 9, ended_at=now + 10, result="failed", result_from="listener")
        services.store.note_job(runner.id, told._replace(repository="made/up"))
        until(lambda: exported(registry).value("runnerctl_jobs_total", result="failed") == 1)
        found = {value for label, value in exported(registry).labels() if label == "repository"}
    services.close()
    assert found == ({"acme/widgets"} if named else set())


def test_however_many_repositories_there_are_so_many_are_named() -> None:
    repositories = Repositories()
    found = [repositories.name(f"acme/r{number}") for number in range(MOST + 50)]
    assert len(set(found)) == MOST + 1
    assert found[-50:] == [OTHERS] * 50
    assert repositories.name("ACME/R0") == "acme/r0"


def test_a_job_of_which_only_its_log_tells_is_counted_at_a_scrape_after_a_while(services: Services, host: Host) -> None:
    clock, registry = JumpingClock(), CollectorRegistry()
    services.clock = clock
    lives = Lives(services, Kept(registry))
    now = clock.now()
    runner = services.store.admit(host.spec("a"), root=host.base_dir / "a")
    told = SeenJob(name="x", started_at=now, ended_at=now + 1, result="succeeded", result_from="log")
    services.store.note_job(runner.id, told)
    lives.hear(services.store.runner_events(EventQuery()))
    lives.settle()
    assert jobs(registry) == 0
    clock.ahead += SETTLE_SECONDS
    lives.settle()
    assert jobs(registry) == 1


# --- Tenants ---


def test_tenants_that_are_repositories_are_one_line_and_the_rest_is_bounded(services: Services, host: Host) -> None:
    for number in range(tenants.MOST + 20):
        services.store.spend(f"team-{number}", 1, an_hour=1000)
    for number, repository in enumerate(("acme/one", "acme/two")):
        services.store.spend(repository, 10 * (number + 1), an_hour=1000)
    found = {sample.labels["tenant"]: sample.value
             for family in tenants.budgets(services, None)
             for sample in family.samples
             if sample.name == "runnerctl_tenant_github_calls"}  # fmt: skip
    assert not [name for name in found if "/" in name]
    assert 19 < found[tenants.WORKFLOWS] <= 20
    assert len(found) == tenants.MOST - 1


# --- Parts ---


def test_a_part_that_cannot_be_read_is_left_out_and_counted(services: Services) -> None:
    registry = CollectorRegistry()
    of_host.Parts(registry, of_host.parts(services, lambda: None))
    assert "runnerctl_runners" in exported(registry).kinds
    services.store.close()
    exported(registry)
    told = exported(registry)
    assert "runnerctl_runners" not in told.kinds
    assert "runnerctl_disk_free_bytes" in told.kinds
    assert told.value("runnerctl_scrape_errors_total", part="runners") >= 1
    assert told.value("runnerctl_scrape_errors_total", part="disk") == 0


def test_a_queue_that_waits_says_for_how_long(services: Services, host: Host) -> None:
    """All local threads are held up; a row that is due waits for one of them."""
    go_on = threading.Event()

    def hold_up(_runner_id: str) -> None:
        go_on.wait(30)

    engine = Reconciler(services, absences=lambda _: 0, after=hold_up)
    try:
        for number in range(9):
            runner = services.store.admit(host.spec(f"r{number}"), root=host.base_dir / f"r{number}")
            services.store.transition(runner, S.REGISTERED, S.STARTING, S.STOPPED)
            engine.enqueue(runner.id)
        engine.start()
        until(lambda: engine.state().at_work["local"] == 8)
        waiting = until(lambda: (state := engine.state()).oldest_due_seconds > 0.2 and state)
        assert (waiting.rows, waiting.due, waiting.threads["local"]) == (9, 1, 8)
        go_on.set()
        until(lambda: engine.state().due == 0)
    finally:
        go_on.set()
        engine.stop()


def test_a_pool_tells_what_is_in_use_what_waits_and_what_was_turned_away() -> None:
    async def use() -> None:
        offload, go_on = Offload(), threading.Event()
        held = [asyncio.ensure_future(offload.call(go_on.wait, 30)) for _ in range(THREADS + 5)]
        await asyncio.sleep(0)
        assert offload.use()["threads"] == (THREADS, THREADS, 5)
        assert offload.refused == 0
        go_on.set()
        await asyncio.gather(*held)
        assert offload.use()["threads"] == (THREADS, 0, 0)
        await offload.finish(seconds=1)

    asyncio.run(use())


# --- The loop ---

READER = Actor(id="token:x", name="x", rights=frozenset({Right.METRICS_READ}), limits=TokenLimits(tenant="team-a"))


def filled() -> CollectorRegistry:
    """Ten times what a server has."""
    registry = CollectorRegistry()
    kept = Kept(registry)
    for number in range(400):
        kept.answered(route=f"/{number}", method="GET", status=200, seconds=0.1)
    return registry


def test_the_loop_does_next_to_nothing_for_a_text() -> None:
    """By the processor time of its thread, however busy the host is."""
    registry = filled()

    async def scrape() -> tuple[float, float, list[Page]]:
        offload = Offload()
        exposition = Exposition(registry, offload, budgets=lambda _: (), monotonic=time.monotonic)
        of_all, of_loop = time.process_time(), time.thread_time()
        pages = await asyncio.gather(*(exposition.page(READER, "") for _ in range(50)))
        spent = time.thread_time() - of_loop, time.process_time() - of_all
        await offload.finish(seconds=1)
        return *spent, pages

    of_loop, of_all, pages = asyncio.run(scrape())
    assert len({page.made_at for page in pages}) == 1
    assert len(pages[0].body) > 100_000
    assert of_loop < 0.2 * of_all


def test_texts_are_kept_for_a_second_and_for_so_many_kinds_of_readers() -> None:
    now = [100.0]

    async def scrape() -> None:
        offload = Offload()
        exposition = Exposition(CollectorRegistry(), offload, budgets=lambda _: (), monotonic=lambda: now[0])
        first = await exposition.page(OPERATOR, "")
        assert await exposition.page(OPERATOR, "text/plain;version=99.0.0") is first
        assert (await exposition.page(OPERATOR, "application/openmetrics-text; version=1.0.0")) is not first
        now[0] += 0.9
        assert await exposition.page(OPERATOR, "") is first
        now[0] += 0.2
        assert await exposition.page(OPERATOR, "") is not first
        for number in range(100):
            limits = TokenLimits(tenant=f"team-{number}")
            await exposition.page(Actor(id="x", name="x", rights=frozenset(), limits=limits), "")
        assert len(exposition._pages) <= 32
        await offload.finish(seconds=1)

    asyncio.run(scrape())
