"""A job that nobody asked to stop is never killed, whatever GitHub says and however close the race.

A short run of each; ``make soak`` runs the long ones (``RUNNERCTL_RACES`` times).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from runnerctl import core
from runnerctl.core.errors import RunnerBusy
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.host import Host, create, remove, until

REPO = "acme/widgets"
ONLINE = core.Wait.ONLINE
RACES = int(os.environ.get("RACES", "20"))
AT_ONCE = 10


def batches() -> Iterator[range]:
    for first in range(0, RACES, AT_ONCE):
        yield range(first, min(first + AT_ONCE, RACES))


def test_a_lying_github_does_not_get_a_job_killed(services: Services, host: Host, sandbox: Sandbox) -> None:
    """It says idle and answers 204 in mid-job: the Worker here is what counts."""
    sandbox.idle_lie = True
    for batch in batches():
        jobs = {}
        for number in batch:
            create(services, host.spec(f"r{number}", ephemeral=False), wait=ONLINE)
            script = f"while [ ! -e {host.top}/go-{number} ]; do sleep 0.02; done"
            jobs[number] = sandbox.submit_job(REPO, [f"r{number}"], [{"run": script}])
        for number, job in jobs.items():
            life = services.store.latest(f"r{number}")
            assert life is not None
            until(lambda life=life: services.backend.working(life.id))  # type: ignore[misc]
            with pytest.raises(RunnerBusy):
                remove(services, f"r{number}")
            (host.top / f"go-{number}").touch()
            assert sandbox.wait_job(job, timeout=30).conclusion == "success"
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda number: remove(services, f"r{number}", force=True), batch))


def test_a_job_that_is_dispatched_during_a_removal_is_finished(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    """It either never reached the runner, and waits for another, or it ran to its end there."""
    rng = random.Random(7)
    taken = 0
    for batch in batches():
        names = [f"r{number}" for number in batch]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda name: create(services, host.spec(name), wait=ONLINE), names))
            jobs = {name: sandbox.submit_job(REPO, [name], [{"run": "sleep 0.3; echo done"}]) for name in names}
            list(pool.map(lambda name: _remove_after(services, name, rng.uniform(0, 0.15)), names))
        until(lambda: not host.processes())
        for job in jobs.values():
            seen = sandbox.job(job)
            assert (seen.status, seen.conclusion) in {("queued", None), ("completed", "success")}, seen
            taken += seen.conclusion == "success"
    assert taken > 0, "no job was ever taken: nothing was raced"


def _remove_after(services: Services, name: str, seconds: float) -> None:
    time.sleep(seconds)
    try:
        remove(services, name)
    except RunnerBusy:
        return
