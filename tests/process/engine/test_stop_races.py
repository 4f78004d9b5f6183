"""A job that GitHub hands over just as its runner is stopped is finished, not killed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from runnerctl import core
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, create, remove, stop, until

pytestmark = pytest.mark.persistent
REPO = "acme/widgets"
ONLINE = core.Wait.ONLINE
AT_ONCE = 6


@pytest.fixture
def services(host: Host) -> Iterator[Services]:
    opened = host.services(RUNNERCTL_REMOVE_SETTLE="1s")
    yield opened
    opened.close()


def test_a_job_that_waited_for_a_start_survives_a_stop_right_after_it(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    rng = random.Random(3)
    names = [f"r{number}" for number in range(AT_ONCE)]

    def start_and_stop(name: str) -> None:
        core.start_runner(services, name)
        life = services.store.latest(name)
        assert life is not None
        until(lambda: services.backend.poll(life.id).online_at)
        time.sleep(rng.uniform(0, 0.05))
        stop(services, name)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda name: create(services, host.spec(name, ephemeral=False), wait=ONLINE), names))
        list(pool.map(lambda name: stop(services, name), names))
        jobs = [sandbox.submit_job(REPO, [name], [{"run": "sleep 0.3"}]) for name in names]
        list(pool.map(start_and_stop, names))
        until(lambda: not host.processes())
        seen = [sandbox.job(job) for job in jobs]
        assert {(each.status, each.conclusion) for each in seen} <= {("queued", None), ("completed", "success")}
        assert any(each.conclusion for each in seen), "no job was ever taken: nothing was raced"
        list(pool.map(lambda name: remove(services, name, force=True), names))


def test_the_next_job_of_a_draining_runner_is_finished_too(services: Services, host: Host, sandbox: Sandbox) -> None:
    """GitHub may hand it over before the runner is seen to be idle."""
    life = create(services, host.spec("busy", ephemeral=False), wait=ONLINE)
    go = host.top / "go"
    script = f"while [ ! -e {go} ]; do sleep 0.02; done; sleep 0.1"
    jobs = [sandbox.submit_job(REPO, ["busy"], [{"run": script}]) for _ in range(3)]
    until(lambda: services.backend.working(life.id))
    assert stop(services, "busy").draining
    go.touch()
    until(lambda: not host.processes())
    core.reconcile_runner(services, life.id)
    assert services.store.latest("busy").state is RunnerState.STOPPED  # type: ignore[union-attr]
    conclusions = [sandbox.job(job).conclusion for job in jobs]
    assert conclusions[0] == "success"
    assert set(conclusions) <= {"success", None}
