"""A host on which anything may happen, and what must be true of it whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from runnerctl import core
from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.models import ProcessId, Runner
from runnerctl.core.domain.observation import Phase
from runnerctl.core.domain.states import RunnerState, may_follow
from runnerctl.core.engine import routed
from runnerctl.core.engine.github_side.registration_poller import RegistrationPoller
from runnerctl.core.engine.operations.operation import Operation
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.host import processes
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.breaking.cutting import mortal
from tests.support.hosts.host import Host, until

T = TypeVar("T")

MAX_RUNNERS = 4
STRANGER = "stranger"
SETTINGS = {
    "RUNNERCTL_MAX_RUNNERS": str(MAX_RUNNERS),
    "RUNNERCTL_REMOVE_SETTLE": "1s",
    "RUNNERCTL_DRAIN_SETTLE": "1s",
    "RUNNERCTL_STOP_INTERRUPT": "8s",
    "RUNNERCTL_STOP_TERMINATE": "4s",
    "RUNNERCTL_STOP_FORCE": "8s",
}
_LIFE = f"{processes.LIFE_VARIABLE}=".encode()
_HASTE = 4.0


class HastyClock(SystemClock):
    """Deadlines come four times as soon; what is shown and stored can be set apart from that.

    Operations wait for real processes, which are quick here; a wait that nothing ends should not take its full time.
    """

    def __init__(self) -> None:
        self.passed = 0.0
        self.wrong_by = 0.0

    def now(self) -> float:
        return super().now() + self.passed + self.wrong_by

    def monotonic(self) -> float:
        return super().monotonic() * _HASTE + self.passed

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / _HASTE)


@contextmanager
def hearing(services: Services) -> Iterator[socket.socket]:
    """Somebody hears of every end, as a server does: else each would start a process that reaps it."""
    path = services.events_socket
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as opened:
        opened.bind(str(path))
        yield opened


@dataclass(kw_only=True)
class Job:
    """One that was submitted."""

    id: int
    name: str
    go: Path
    """It ends when that file is there."""
    excused: bool
    """Somebody asked to end it by force, or killed what ran it: it may end anyhow."""


@dataclass(kw_only=True)
class Lives:
    """The host of one example."""

    host: Host
    sandbox: Sandbox
    services: Services = field(init=False)
    clock: HastyClock = field(default_factory=HastyClock)
    jobs: list[Job] = field(default_factory=list)
    forced: set[str] = field(default_factory=set)
    """Lives that were asked to end by force, or whose processes were killed."""
    strangers: int = 0
    """Runners at GitHub that are none of ours."""

    def __post_init__(self) -> None:
        self.services = self.host.services(**SETTINGS)
        self.services.clock = self.clock
        mortal(self.services)
        self._open = ExitStack()
        self._open.callback(self.services.close)
        self._open.callback(self.host.kill_everything)
        self._socket = self._open.enter_context(hearing(self.services))

    def close(self) -> None:
        self._open.close()

    def hear(self) -> None:
        """A full socket would turn pokes away."""
        with suppress(BlockingIOError):
            while self._socket.recv(4096):
                pass

    # -- what there is

    def live(self) -> dict[str, Runner]:
        return {runner.name: runner for runner in self.services.store.live()}

    def names(self) -> set[str]:
        """All that there ever were."""
        runners = (self.services.store.get(life) for life in self._lives())
        return {runner.name for runner in runners if runner is not None}

    def open_jobs(self, name: str | None = None) -> list[Job]:
        jobs = [job for job in self.jobs if name in (None, job.name)]
        return [job for job in jobs if self.sandbox.job(job.id).status != "completed"]

    # -- what happens

    def finish(self, operation: Operation[T]) -> T:
        return core.finish(operation, clock=self.clock)

    def submit(self, runner: Runner) -> Job:
        """A job for that runner; when it returns, the job runs if it can be run at once."""
        go = self.host.top / f"go-{len(self.jobs)}"
        script = f"while [ ! -e {go} ]; do sleep 0.02; done"
        job_id = self.sandbox.submit_job(str(runner.scope), [runner.name], [{"run": script}])
        job = Job(id=job_id, name=runner.name, go=go, excused=runner.id in self.forced)
        self.jobs.append(job)
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline and self._is_on_its_way(runner, job):
            time.sleep(0.01)
        return job

    def _is_on_its_way(self, runner: Runner, job: Job) -> bool:
        """Handed over, or about to be, and not yet begun."""
        seen = routed.observe(self.services, runner)
        if self.sandbox.job(job.id).status == "queued":
            return seen.running and seen.phase is Phase.LISTENING and self._is_connected(runner)
        return seen.running and not routed.working(self.services, runner)

    def _is_connected(self, runner: Runner) -> bool:
        found = [each for each in self.sandbox.runners() if each.id == runner.github_id]
        return bool(found) and found[0].status == "online" and not found[0].busy

    def end_job(self, job: Job) -> None:
        """It may end now; waited for where it runs."""
        job.go.touch()
        if self.sandbox.job(job.id).status == "in_progress" and not job.excused:
            until(lambda: self.sandbox.job(job.id).status != "in_progress")

    def force(self, name: str) -> None:
        """From now on, whatever runs for that name may be ended."""
        runner = self.services.store.latest(name)
        if runner is not None and runner.live:
            self.forced.add(runner.id)
        for job in self.jobs:
            job.excused |= job.name == name

    def kill(self, runner: Runner, who: str) -> None:
        """SIGKILL to its supervisor, its Listener, or both."""
        if who != "supervisor":
            self.force(runner.name)
        killed = self._pids(runner, who)
        for process in killed:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        until(lambda: not any(processes.alive(process) for process in killed))

    def _pids(self, runner: Runner, who: str) -> list[ProcessId]:
        record = self.services.backend._records.read(runner.id)
        if record is None:
            return []
        wanted = {"supervisor": [record.supervisor], "listener": [record.listener]}
        found = wanted.get(who, [record.supervisor, record.listener])
        return [process for process in found if process is not None and processes.alive(process)]

    # -- what must be true at any time

    def check(self) -> None:
        self.hear()
        self._check_trees()
        self._check_histories()
        self._check_jobs()

    def _check_trees(self) -> None:
        live = self.services.store.live()
        assert len(live) <= MAX_RUNNERS
        known = {runner.id: runner.name for runner in live}
        trees = _trees(self._lives())
        assert set(trees) <= set(known), "processes of a life that ended"
        names = [known[life] for life in trees]
        assert len(names) == len(set(names)), f"two trees for one name: {sorted(names)}"
        for life, listeners in trees.items():
            assert len(listeners) <= 1, f"two Listeners of {known[life]}: {listeners}"

    def _lives(self) -> set[str]:
        runs = self.host.state_dir / "runners"
        return {path.name for path in runs.iterdir()} if runs.exists() else set()

    def _check_histories(self) -> None:
        store = self.services.store
        for life in self._lives():
            runner, state = store.get(life), None
            assert runner is not None
            for event in store.history(life):
                assert event.old == state
                assert state is None or may_follow(state, event.new), event
                state = event.new
            assert state is runner.state

    def _check_jobs(self) -> None:
        for job in self.jobs:
            seen = self.sandbox.job(job.id)
            if not job.excused and seen.status == "completed":
                assert seen.conclusion == "success", (job, seen)

    # -- how it must end

    def heal(self) -> None:
        """All that was wrong is right again, jobs may end, time passes and somebody sweeps."""
        self.sandbox.clear_faults()
        self.sandbox.clock_offset = 0.0
        self.clock.wrong_by = 0.0
        for job in self.open_jobs():
            self.end_job(job)
        poller = RegistrationPoller(self.services)
        for seconds in (0.0, 61.0, 61.0, 61.0, 61.0, 3700.0, 61.0):
            self.clock.passed += seconds
            sweep(self.services, poller)
            # A Listener whose predecessor was killed finds its session taken, and tries again after 30 s.
            until(self._is_quiet, seconds=60)

    def clear(self) -> None:
        """Everything is removed by force; what GitHub takes for busy goes when it has given up the job."""
        for name in sorted(self.names()):
            self.force(name)
            self.finish(core.remove_runner(self.services, name, force=True))
        until(self._no_job_runs)
        self.clock.passed += 3700.0
        sweep(self.services)

    def _no_job_runs(self) -> bool:
        self._give_up_lost_jobs()
        return not any(self.sandbox.job(job.id).status == "in_progress" for job in self.jobs)

    def _is_quiet(self) -> bool:
        """Nothing is on its way that only has to be waited for."""
        self.hear()
        self._give_up_lost_jobs()
        seen = [routed.observe(self.services, runner) for runner in self.services.store.live()]
        # GitHub gives up only after a while what it has handed to a Listener that was just killed.
        at_rest = not any(each.busy for each in self.sandbox.runners())
        return at_rest and all(each.gone or each.phase is Phase.LISTENING for each in seen)

    def _give_up_lost_jobs(self) -> None:
        """As GitHub does after minutes, when a runner does not answer for its job any more."""
        for job in self.open_jobs():
            if job.excused and self.sandbox.job(job.id).status == "in_progress":
                self.sandbox.cancel_job(job.id)

    def check_healed(self) -> None:
        """Nobody is half-made or half-gone, and whoever did the job it was made for has ended."""
        self.check()
        live = self.live()
        settled = {RunnerState.STARTING, RunnerState.IDLE, RunnerState.STOPPED}
        assert {runner.state for runner in live.values()} <= settled, live
        for job in self.jobs:
            seen = self.sandbox.job(job.id)
            assert job.excused or seen.status == "queued" or seen.conclusion == "success", (job, seen)
        assert set(self.host.roots()) == set(live)
        assert self._registered() <= {runner.github_id for runner in live.values()}
        running = {runner.id for runner in live.values() if runner.state is not RunnerState.STOPPED}
        assert set(_trees(self._lives())) == running
        assert self.services.store.orphans() == []

    def _registered(self) -> set[int | None]:
        return {each.id for each in self.sandbox.runners() if STRANGER not in each.labels}

    def check_empty(self) -> None:
        """Nothing is left."""
        assert self.services.store.live() == []
        assert self.services.store.orphans() == []
        assert self.services.store.replacements() == []
        assert self.host.roots() == []
        assert self._registered() == set()
        assert len(self.sandbox.runners()) == self.strangers, "a stranger was touched"
        until(lambda: not self.host.processes())
        assert self.host.cgroups() == []


def _trees(lives: set[str]) -> dict[str, list[int]]:
    """Of every life that has processes: its Listeners.

    What a Listener has forked and what is to become a Worker is none.
    """
    found: dict[str, list[int]] = {}
    listeners: dict[int, int] = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):  # noqa: PTH208 - names are all
        life = _life(pid)
        seen = processes.stat(pid)
        if life not in lives or seen is None or seen[0] in {"Z", "X"}:
            continue
        found.setdefault(life, [])
        if processes.comm(pid) == "Runner.Listener":
            listeners[pid] = seen[1]
            found[life].append(pid)
    return {life: [pid for pid in pids if listeners[pid] not in listeners] for life, pids in found.items()}


def _life(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((word[len(_LIFE) :].decode() for word in words if word.startswith(_LIFE)), "")
