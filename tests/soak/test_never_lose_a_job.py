"""A job that nobody asked to stop is never killed, whatever GitHub says and however close the race.

A short run of each; ``make soak`` runs the long ones (``RACES`` times).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import pytest

from runnerctl import core
from runnerctl.core.domain.errors import RunnerBusy
from runnerctl.core.domain.observation import Phase
from runnerctl.core.domain.states import TERMINAL
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.clocks import JumpingClock
from tests.support.hosts.host import Host, create, remove, stop, until

REPO = "acme/widgets"
RACES = int(os.environ.get("RACES", "10"))
AT_ONCE = 20
SETTLE = "2s"
"""Shorter than the default, and still time enough for twenty Listeners on two cores to start their Workers."""

T = TypeVar("T")

pytestmark = pytest.mark.timeout(60 + 3 * RACES)


def raced(race: Callable[[int], T]) -> Iterator[T]:
    """What each race came to; so many are run at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(race, range(RACES))


@pytest.mark.persistent
def test_a_lying_github_does_not_get_a_job_killed(services: Services, host: Host, sandbox: Sandbox) -> None:
    """It says idle and answers 204 in mid-job: the Worker here is what counts."""
    sandbox.idle_lie = True

    def race(number: int) -> str | None:
        name, go = f"r{number}", host.top / f"go-{number}"
        life = create(services, host.spec(name, ephemeral=False), wait=core.Wait.ONLINE)
        job = sandbox.submit_job(REPO, [name], [{"run": f"while [ ! -e {go} ]; do sleep 0.1; done"}])
        until(lambda: services.backend.working(life.id))
        with pytest.raises(RunnerBusy):
            remove(services, name)
        go.touch()
        conclusion = sandbox.wait_job(job).conclusion
        remove(services, name, force=True)
        return conclusion

    assert list(raced(race)) == ["success"] * RACES


@pytest.mark.persistent
def test_a_job_that_forges_its_listeners_last_words_is_not_taken_for_a_stop_that_hangs(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    life = create(services, host.spec("forger", ephemeral=False), wait=core.Wait.ONLINE)
    job = sandbox.submit_job(REPO, ["forger"], [{"run": f"while [ ! -e {host.top}/go ]; do sleep 0.02; done"}])
    until(lambda: services.backend.working(life.id) and services.backend.poll(life.id).phase is Phase.BUSY)
    # As a job does where no Landlock keeps it from the Listener's output.
    with (services.backend.run_dir(life.id) / "out.fifo").open("w") as output:
        output.write("Exiting...\n")
    until(lambda: services.backend.poll(life.id).phase is Phase.STOPPING)
    assert stop(services, "forger").draining
    clock = services.clock = JumpingClock()
    clock.ahead += 3600  # longer than any stop may take
    sweep(services)
    (host.top / "go").touch()
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"


def the_answer(sandbox: Sandbox) -> None:
    sandbox.delay_all = 0.3


def the_job(sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("/sandbox/broker/acknowledge", delay=0.3, times=None))


@pytest.mark.parametrize("is_late", [the_answer, the_job])
def test_a_job_that_is_dispatched_while_its_runner_is_deleted_is_finished(
    host: Host, sandbox: Sandbox, is_late: Callable[[Sandbox], None]
) -> None:
    """GitHub lets go of every runner in the moment in which it hands it a job; and one of the two arrives late.

    A mere removal answers while the job runs; a drain, of every other runner, waits for its end.
    """
    services = host.services(RUNNERCTL_REMOVE_SETTLE=SETTLE, RUNNERCTL_DRAIN_SETTLE=SETTLE)
    sandbox.dispatch_on_delete = True
    is_late(sandbox)

    def race(number: int) -> str:
        name, go, drain = f"r{number}", host.top / f"go-{number}", number % 2 == 1
        life = create(services, host.spec(name), wait=core.Wait.ONLINE)
        job = sandbox.submit_job(
            REPO, [name], [{"run": "sleep 0.5" if drain else f"until [ -e {go} ]; do sleep 0.1; done"}]
        )
        remove(services, name, drain=drain)
        status = sandbox.job(job).status
        go.touch()
        assert sandbox.wait_job(job).conclusion == "success"
        until(lambda: services.store.get(life.id).state in TERMINAL)
        return status

    assert list(raced(race)) == [("in_progress", "completed")[number % 2] for number in range(RACES)]
    assert sandbox.runners() == []
    services.close()


def test_a_job_that_is_dispatched_around_a_removal_is_finished(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    """It either never reached the runner, and waits for another, or it ran to its end there."""
    rng = random.Random(7)
    pauses = [rng.uniform(0, 0.15) for _ in range(RACES)]

    def race(number: int) -> tuple[str, str | None]:
        name = f"r{number}"
        life = create(services, host.spec(name), wait=core.Wait.ONLINE)
        job = sandbox.submit_job(REPO, [name], [{"run": "sleep 0.3; echo done"}])
        time.sleep(pauses[number])
        with suppress(RunnerBusy):
            remove(services, name)
        until(lambda: services.store.get(life.id).state in TERMINAL)
        seen = sandbox.job(job)
        return seen.status, seen.conclusion

    ends = list(raced(race))
    assert set(ends) <= {("queued", None), ("completed", "success")}
    assert ("completed", "success") in ends, "no job was ever taken: nothing was raced"
