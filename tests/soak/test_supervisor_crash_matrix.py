"""A supervisor may be killed whenever it has changed anything: one sweep then leaves nothing without an owner, and no
job lost. The moments are those that the program has: see ``dying_supervisor``."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import count
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.backends.registry import Backends, handle_of
from runnerctl.core.domain.errors import BackendFailed
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.observation import Phase
from runnerctl.core.domain.states import RunnerState as S
from runnerctl.core.engine import routed
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.host import processes
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.process.engine.test_reconcile import REPO
from tests.support.hosts.clocks import JumpingClock
from tests.support.hosts.host import Host, create, remove, stop, until
from tests.support.places import REPOSITORY

MOST_MOMENTS = 64
AT_ONCE = 8
ALL = "ALL_MOMENTS" in os.environ
"""As ``make soak`` has it; else every fifth is tried, other ones in each situation, most of which begin alike."""
STRIDE = 1 if ALL else 5
SUPERVISOR = Path("runnerctl/supervisor").resolve()
PROGRAM = """\
import sys
sys.path[:0] = [{supervisor!r}, {tests!r}]
import dying_supervisor
dying_supervisor.main({points!r}, {at!r}, {since!r})
"""


@dataclasses.dataclass(kw_only=True)
class Life:
    """One runner whose supervisor dies at one moment, told by number or by name, if it comes so far."""

    host: Host
    sandbox: Sandbox
    services: Services
    name: str
    at: int | str
    since: str | None
    runner: Runner | None = None
    """None: its create was refused, for it was not reported."""
    job: int | None = None

    @property
    def id(self) -> str:
        assert self.runner is not None
        return self.runner.id

    @cached_property
    def dying(self) -> Services:
        """Those of a process that starts such supervisors."""
        services = Services.open(self.services.settings)
        services.clock = self.services.clock
        program = self.host.top / f"{self.name}.py"
        tests = str(REPOSITORY / "tests/support/breaking")
        given = {"points": str(self._points), "at": self.at, "since": self.since}
        program.write_text(PROGRAM.format(supervisor=str(SUPERVISOR), tests=tests, **given))
        dying = dataclasses.replace(services.backend, supervisor=program)
        services.__dict__["backends"] = Backends({"process": lambda: dying}, default="process", runs_dir=dying.runs_dir)
        return services

    def create(self, *, ephemeral: bool = True) -> bool:
        try:
            self.runner = create(self.dying, self.host.spec(self.name, ephemeral=ephemeral))
        except BackendFailed:
            self.runner = None
        return self.runner is not None

    def submit(self, script: str) -> None:
        self.job = self.sandbox.submit_job(REPO, [self.name], [{"run": script}])

    @property
    def _points(self) -> Path:
        """Beside the program: with a runner's life its run directory is emptied."""
        return self.host.top / f"{self.name}.points"

    def points(self) -> list[str]:
        return self._points.read_text().splitlines() if self._points.exists() else []

    def counted(self) -> list[str]:
        points = self.points()
        return points if self.since is None else points[points.index(self.since) + 1 :]

    def is_spared(self) -> None:
        """What has not died by now lives."""
        self._points.with_name(f"{self._points.name}.spared").touch()

    @property
    def died_at(self) -> str | None:
        """Also of one that was started ahead, and in whose place another was started then."""
        died = [point.removeprefix("died ") for point in self.points() if point.startswith("died ")]
        return died[-1] if died else None

    def comes_to(self, phase: Phase) -> bool:
        """Whether it is at rest in that phase; waits for that, or for its supervisor's death."""
        return until(lambda: "died" if self.died_at else self._is_at_rest(phase)) is True

    def _is_at_rest(self, phase: Phase) -> bool:
        return routed.observe(self.services, self.current).phase is phase and self.points()[-1] == "rest"

    def ends(self) -> None:
        """Waits for its supervisor's end, one way or the other."""
        until(lambda: self.died_at or not self.current.live)

    @property
    def current(self) -> Runner:
        latest = self.services.store.latest(self.name)
        assert latest is not None
        return latest

    @property
    def go(self) -> Path:
        return self.host.top / f"go-{self.name}"


def idle_then_stopped(life: Life) -> None:
    if life.create() and life.comes_to(Phase.LISTENING):
        assert stop(life.services, life.name).runner.state is S.STOPPED


def a_job_that_ends(life: Life) -> None:
    if life.create():
        life.submit("true")
        life.ends()


def a_job_that_leaves_a_daemon(life: Life) -> None:
    if life.create():
        life.submit("env -u RUNNER_TRACKING_ID setsid sleep 300 > /dev/null 2>&1 & echo daemon $!")
        life.ends()


def persistent(life: Life) -> None:
    if life.create(ephemeral=False):
        life.submit("true")
        life.sandbox.wait_job(life.job or 0, timeout=20)
        if life.comes_to(Phase.LISTENING):
            assert stop(life.services, life.name, now=True).runner.state is S.STOPPED


def a_job_in_progress(life: Life) -> None:
    if life.create():
        life.submit(f"while [ ! -e {life.go} ]; do sleep 0.02; done")
        life.comes_to(Phase.BUSY)


def adopted_in_mid_job(life: Life) -> None:
    life.runner = create(life.services, life.host.spec(life.name))
    life.submit(f"while [ ! -e {life.go} ]; do sleep 0.02; done")
    until(lambda: routed.observe(life.services, life.current).phase is Phase.BUSY)
    kill_supervisor(life)
    try:
        life.dying.backend.adopt(handle_of(life.current))
    except BackendFailed:
        return
    life.comes_to(Phase.BUSY)


def kill_supervisor(life: Life) -> None:
    supervisor, *_ = routed.processes(life.services, life.current)
    os.kill(supervisor.pid, signal.SIGKILL)
    until(lambda: not processes.alive(supervisor))


REPORTED = "after write in start._report"
SITUATIONS: dict[str, tuple[Callable[[Life], None], str | None]] = {
    "idle, then stopped": (idle_then_stopped, None),
    "persistent, with a job, then stopped": (persistent, None),
    "its job ends": (a_job_that_ends, REPORTED),
    "its job leaves a daemon": (a_job_that_leaves_a_daemon, REPORTED),
    "in mid-job": (a_job_in_progress, REPORTED),
    "adopting in mid-job": (adopted_in_mid_job, None),
}
"""With the point after which each differs from the first."""


Batch = list[Life]


def lives(make: Callable[[int | str], Life], situation: Callable[[Life], None], *, start: int) -> Iterator[Batch]:
    """One for each moment that is tried of those that the supervisor has in that situation, several at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def live(*moments: int | str) -> Batch:
            batch = list(map(make, moments))
            list(pool.map(situation, batch))
            for life in batch:
                life.is_spared()
            return batch

        died: set[str] = set()
        for first in range(start, MOST_MOMENTS, AT_ONCE * STRIDE):
            batch = live(*range(first, first + AT_ONCE * STRIDE, STRIDE))
            died |= {life.died_at for life in batch if life.died_at}
            survivors = [life for life in batch if not life.died_at]
            common = passed_by_all(survivors)  # looked at now: with the life its run directory is emptied
            yield batch
            if survivors and not ALL:
                return
            if common:
                # Two lives are never quite alike: what none happened to die at is aimed at.
                missed = sorted(common - died)
                aimed = live(*missed)
                assert [life.died_at for life in aimed] == missed
                yield aimed
                return
    raise AssertionError(f"more than {MOST_MOMENTS} moments")


def passed_by_all(survivors: Batch) -> set[str]:
    traces = [set(life.counted()) - {"rest"} for life in survivors]
    return set.intersection(*traces) if traces else set()


@pytest.mark.parametrize(
    "situation",
    [pytest.param(each, marks=[pytest.mark.persistent] * each.startswith("persistent")) for each in SITUATIONS],
)
def test_a_kill_at_any_moment_is_healed_by_one_sweep(
    services: Services, host: Host, sandbox: Sandbox, situation: str
) -> None:
    clock = services.clock = JumpingClock()
    names = (f"r{number}" for number in count())
    live, since = SITUATIONS[situation]
    start = 1 + list(SITUATIONS).index(situation) % STRIDE

    def make(at: int | str) -> Life:
        return Life(host=host, sandbox=sandbox, services=services, name=next(names), at=at, since=since)

    for batch in lives(make, live, start=start):
        until(lambda: not host.reapers())
        clock.ahead += 61
        swept = sweep(services)
        assert [finding for finding in swept.findings if finding.error] == []
        assert swept.orphans is None
        for life in batch:
            is_well(life)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(comes_to_its_end, batch))
        everything_is_gone(services, host, sandbox)


def is_well(life: Life) -> None:
    """It ended, or rests, or runs with a supervisor; and its job, if it began, is not lost."""
    seen = core.runner_status(life.services, life.name)
    assert seen.runner is not None
    if life.runner is None:
        assert seen.runner.state is S.FAILED, (life.died_at, seen)
    if seen.runner.live and seen.runner.state is not S.STOPPED:
        assert seen.runner.state in {S.STARTING, S.IDLE, S.BUSY}, (life.died_at, seen)
        assert seen.word == "running", (life.died_at, seen)
        assert routed.supervised(life.services, life.current), (life.died_at, seen)


def comes_to_its_end(life: Life) -> None:
    life.go.touch()
    if life.job is not None:
        job = life.sandbox.wait_job(life.job, timeout=20)
        assert job.conclusion == "success", (life.died_at, job.lines)
        if life.current.ephemeral:
            until(lambda: not life.current.live)
            assert life.current.state is S.COMPLETED, (life.died_at, life.current)
    # Whoever adopts believes in a job of whose end it heard nothing, until it has had no Worker for some seconds.
    until(lambda: not life.current.live or routed.observe(life.services, life.current).phase is not Phase.BUSY)
    if life.current.live and remove(life.services, life.name).draining:
        # The job is over, but its supervisor has not read so yet.
        until(lambda: not life.current.live)


def everything_is_gone(services: Services, host: Host, sandbox: Sandbox) -> None:
    assert services.store.live() == []
    assert services.store.orphans() == []
    assert sandbox.runners() == []
    assert host.roots() == []
    until(lambda: not host.processes())
    assert host.cgroups() == []
