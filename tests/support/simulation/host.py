"""A host's runners in virtual time: supervisor, Listener, Worker, and the record that is left of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runnerctl.core.domain.observation import Observation, Outcome, Phase

from .github import Job

if TYPE_CHECKING:
    from .github import GitHubSide
    from .schedule import Schedule, VirtualClock

SETTLE_SECONDS = 3.0
"""How long a supervisor does not stop one that just began to wait for a job."""
_STRENGTH = {None: 0, "drain": 1, "now": 2}


@dataclass
class Record:
    """What its supervisor wrote last."""

    phase: Phase = Phase.STARTING
    online_at: float | None = None
    job: str | None = None
    job_started_at: float | None = None
    last_job: str | None = None
    last_job_result: str | None = None
    last_job_ended_at: float | None = None
    jobs_run: int = 0
    stop_asked: str | None = None
    ended: bool = False
    outcome: Outcome | None = None
    reason: str | None = None
    error: str | None = None


@dataclass
class Tree:
    """All that there is of one runner on the host."""

    runner_id: str
    name: str
    ephemeral: bool
    version: str
    identity: int | None = None
    """GitHub's id; None before it has one, and after it took it away."""
    supervisor: bool = False
    listener: bool = False
    connected: bool = False
    worker: Job | None = None
    coming: Job | None = None
    """Handed over, and its Worker is not there yet."""
    record: Record | None = None
    number: int = 0
    """Counts its starts; what was to happen to an earlier one does not."""
    worked: bool = False
    """A Worker's log is there."""
    listening_since: float = 0.0
    hidden_until: float = 0.0
    excused: bool = False
    """Somebody asked to end it by force, or killed what ran it: a job may end anyhow."""
    configuring: int = 0
    """Counts the runs of ``config.sh``; one that was killed registers nothing."""
    past: list[int] = field(default_factory=list)
    aside: bool = False
    """Nothing lives in it, and it could not be deleted yet."""

    @property
    def alive(self) -> bool:
        return self.supervisor or self.listener or self.worker is not None


class Host:
    """What happens to the processes of all runners here; the backends of all managers act on it."""

    def __init__(self, schedule: Schedule, clock: VirtualClock, github: GitHubSide, rng: random.Random) -> None:
        self.schedule, self.clock, self.github, self.rng = schedule, clock, github, rng
        self.trees: dict[str, Tree] = {}
        self.stubborn = False
        """Some do not end when they are asked to."""
        self.full = False
        """Some directories cannot be deleted."""
        self.poke: Callable[[Tree], None] = lambda _tree: None
        """A supervisor tells that something has changed."""
        self.said_last: Callable[[Tree], None] = lambda _tree: None
        """A supervisor has ended in order."""

    # -- starting

    def start(self, tree: Tree) -> None:
        tree.number += 1
        tree.supervisor = tree.listener = True
        tree.connected, tree.coming, tree.record = False, None, Record()
        self._later(tree, self.rng.uniform(0.1, 4.0), self._connect)
        self.schedule.changed()

    def _later(self, tree: Tree, seconds: float, act: Callable[[Tree], None]) -> None:
        number = tree.number

        def event() -> None:
            if tree.number == number and self.trees.get(tree.runner_id) is tree:
                act(tree)

        self.schedule.after(seconds, event)

    def _connect(self, tree: Tree) -> None:
        if not tree.listener or tree.connected:
            return
        if self.github.down:
            self._write(tree, error="GitHub does not answer")
            self._later(tree, self.rng.uniform(5.0, 30.0), self._connect)
        elif tree.identity not in self.github.registrations:
            tree.listener, tree.identity = False, None
            self._end(tree, Outcome.DELETED, "its registration was deleted")
        elif [int(part) for part in tree.version.split(".")] < [int(part) for part in self.github.refused.split(".")]:
            tree.listener = False
            self._end(tree, Outcome.OUTDATED, "runner version too old")
        else:
            tree.connected = True
            self.github.connect(tree.identity, _Session(self, tree), tree.version)
            self._listens(tree)
            self._later(tree, self.rng.uniform(20.0, 200.0), self._poll)

    def _poll(self, tree: Tree) -> None:
        """Sooner or later it hears that its registration is gone."""
        if not tree.listener or not tree.connected:
            return
        if tree.identity not in self.github.registrations and tree.worker is None and tree.coming is None:
            tree.listener, tree.identity, tree.connected = False, None, False
            self._end(tree, Outcome.DELETED, "its registration was deleted")
            return
        self._later(tree, self.rng.uniform(20.0, 200.0), self._poll)

    def _listens(self, tree: Tree) -> None:
        tree.listening_since = self.schedule.now
        online_at = tree.record.online_at if tree.record is not None else None
        self._write(tree, phase=Phase.LISTENING, online_at=online_at or self.clock.now(), error=None)
        if tree.record is not None and tree.record.stop_asked is not None and tree.supervisor:
            self._later(tree, SETTLE_SECONDS, self._leave_if_idle)

    # -- jobs

    def take(self, tree: Tree, job: Job) -> None:
        tree.coming = job
        self._later(tree, self.rng.uniform(0.05, 2.0), self._begin)

    def _begin(self, tree: Tree) -> None:
        if (job := tree.coming) is None or not tree.listener:
            return
        tree.coming, tree.worker, tree.worked = None, job, True
        job.status = "running"
        jobs_run = tree.record.jobs_run if tree.record is not None else 0
        self._write(tree, phase=Phase.BUSY, job=job.name, job_started_at=self.clock.now(), jobs_run=jobs_run + 1)
        self._later(tree, job.seconds, lambda tree: self._finish(tree, job, "success"))

    def _finish(self, tree: Tree, job: Job, status: str) -> None:
        if tree.worker is not job:
            return
        tree.worker = None
        self.github.end_job(tree.past[-1], job, status)
        self._write(
            tree,
            phase=Phase.LISTENING,
            job=None,
            job_started_at=None,
            last_job=job.name,
            last_job_result="Succeeded" if status == "success" else "Canceled",
            last_job_ended_at=self.clock.now(),
        )
        if not tree.listener:
            self._worker_alone_ended(tree)
        elif tree.ephemeral:
            self._later(tree, self.rng.uniform(0.1, 1.5), self._leave_after_job)
        else:
            self._listens(tree)

    def _worker_alone_ended(self, tree: Tree) -> None:
        if tree.supervisor:
            self._end(tree, Outcome.FAILED, "its Listener was killed")

    def _leave_after_job(self, tree: Tree) -> None:
        if tree.listener:
            tree.listener, tree.identity = False, None
            self._disconnect(tree, at_once=True)
            self._end(tree, Outcome.COMPLETED, None)

    # -- stopping

    def ask(self, tree: Tree, how: str) -> None:
        """``drain``: after its job; ``now``: its job is cancelled."""
        if not tree.supervisor:
            if how == "now" and tree.listener:
                self._cancel(tree)
            return
        record = tree.record or Record()
        if _STRENGTH[how] > _STRENGTH[record.stop_asked]:
            self._write(tree, stop_asked=how)
        if how == "now":
            self._cancel(tree)
        else:
            self._later(
                tree, max(0.1, SETTLE_SECONDS - (self.schedule.now - tree.listening_since)), self._leave_if_idle
            )

    def _leave_if_idle(self, tree: Tree) -> None:
        if not tree.supervisor or not tree.listener or tree.worker is not None:
            return
        settled = self.schedule.now - tree.listening_since >= SETTLE_SECONDS - 0.01 or not tree.connected
        if tree.coming is not None or not settled:
            self._later(tree, 0.5, self._leave_if_idle)
        elif tree.ephemeral and tree.record is not None and tree.record.jobs_run > 0:
            self._later(tree, 1.0, self._leave_if_idle)  # it leaves by itself
        else:
            self._later(tree, self.rng.uniform(0.1, 2.0), self._leave)

    def _cancel(self, tree: Tree) -> None:
        if self.stubborn and self.rng.random() < 0.3:
            if tree.supervisor:  # its own ladder ends in a kill
                self._later(tree, 45.0, self._leave_by_force)
            return
        if (job := tree.worker) is not None:
            self._later(tree, self.rng.uniform(0.2, 15.0), lambda tree: self._cancelled(tree, job))
        else:
            self._later(tree, self.rng.uniform(0.1, 2.0), self._leave)

    def _cancelled(self, tree: Tree, job: Job) -> None:
        self._finish(tree, job, "cancelled")
        if tree.listener and not tree.ephemeral:
            self._leave(tree)

    def _leave(self, tree: Tree) -> None:
        if not tree.listener:
            return
        if tree.worker is not None:
            self._cancel(tree)
            return
        self._give_back(tree)
        tree.listener = False
        self._disconnect(tree, at_once=True)
        self._end(tree, Outcome.STOPPED, None)

    def _leave_by_force(self, tree: Tree) -> None:
        if tree.listener or tree.worker is not None:
            self._lose(tree)
            tree.listener = False
            self._disconnect(tree, at_once=False)
            self._end(tree, Outcome.STOPPED, None)

    def kill(self, tree: Tree) -> None:
        """All of it, at once and without a word; also a ``config.sh`` that runs."""
        self._lose(tree)
        if tree.listener:
            self._disconnect(tree, at_once=False)
        tree.supervisor = tree.listener = False
        tree.number += 1
        tree.configuring += 1
        self.schedule.changed()

    # -- what breaks

    def kill_supervisor(self, tree: Tree) -> None:
        tree.supervisor = False
        self.schedule.changed()

    def kill_listener(self, tree: Tree) -> None:
        """Its Worker outlives it now and then."""
        if not tree.listener:
            return
        if tree.worker is None or self.rng.random() < 0.7:
            self._lose(tree)
        tree.listener = False
        self._disconnect(tree, at_once=False)
        if tree.worker is None:
            self._end(tree, Outcome.FAILED, "killed, or out of memory")
        elif tree.supervisor:
            self._write(tree, phase=Phase.BUSY)

    def restart_listener(self, tree: Tree) -> None:
        """An error that may pass: its supervisor starts it again."""
        if tree.listener and tree.supervisor and tree.worker is None and not (tree.ephemeral and tree.worked):
            self._give_back(tree)
            self._disconnect(tree, at_once=True)
            self._write(tree, phase=Phase.STARTING)
            self._later(tree, 5.0, self._connect)

    def reboot(self) -> None:
        for tree in self.trees.values():
            tree.excused = tree.excused or tree.worker is not None or tree.coming is not None
            self.kill(tree)

    def adopt(self, tree: Tree) -> bool:
        """Another supervisor for what lives."""
        if not tree.listener and tree.worker is None:
            return False
        if tree.supervisor:
            return True
        tree.supervisor = True
        record = tree.record or Record()
        phase = Phase.BUSY if tree.worker is not None else Phase.LISTENING if tree.connected else Phase.STARTING
        job = None if tree.worker is None else tree.worker.name
        jobs_run = max(record.jobs_run, int(tree.worker is not None))
        online_at = record.online_at or (self.clock.now() if tree.connected else None)
        self._write(tree, phase=phase, job=job, jobs_run=jobs_run, online_at=online_at)
        if record.stop_asked is not None:
            self.ask(tree, record.stop_asked)
        return True

    # -- inside

    def _write(self, tree: Tree, **changes: object) -> None:
        """As long as its supervisor lives."""
        self.schedule.changed()
        if tree.supervisor and tree.record is not None:
            for name, value in changes.items():
                setattr(tree.record, name, value)
            self.poke(tree)

    def _end(self, tree: Tree, outcome: Outcome, reason: str | None) -> None:
        """The last word, if somebody is there to say it."""
        self.schedule.changed()
        tree.connected = False
        if not tree.supervisor or tree.record is None:
            return
        if tree.ephemeral and outcome is Outcome.STOPPED and tree.record.jobs_run > 0:
            outcome = Outcome.COMPLETED if tree.identity is None else Outcome.STOPPED
        self._write(tree, phase=Phase.EXITED, ended=True, outcome=outcome, reason=reason, job=None)
        tree.supervisor = False
        tree.number += 1
        self.said_last(tree)

    def _disconnect(self, tree: Tree, *, at_once: bool) -> None:
        tree.connected = False
        if tree.past:
            found = self.github.registrations.get(tree.past[-1])
            if found is not None and found.listener is not None:
                self.github.disconnect(found.id, found.listener, at_once=at_once)

    def _give_back(self, tree: Tree) -> None:
        if (job := tree.coming) is not None:
            tree.coming = None
            self.github.give_back(tree.past[-1], job)

    def _lose(self, tree: Tree) -> None:
        self._give_back(tree)
        if (job := tree.worker) is not None:
            tree.worker = None
            self.github.lose_job(tree.past[-1], job)

    # -- seeing

    def observe(self, tree: Tree) -> Observation:
        """The record, as far as the kernel bears it out."""
        record = tree.record
        began = self.clock.now()
        if record is None:
            return Observation(running=False, supervised=False, pid=None, phase=None, began=began)
        working_alone = not tree.listener and tree.worker is not None and record.phase is Phase.BUSY
        running = tree.listener or (working_alone and not record.ended)
        supervised = tree.supervisor and not record.ended
        watched = running and supervised
        jobs_run = record.jobs_run
        if not running and not supervised and not record.ended and not jobs_run and tree.worked:
            jobs_run = 1
        return Observation(
            running=running,
            supervised=supervised,
            pid=1 if running else None,
            phase=record.phase if running or supervised or record.ended else Phase.EXITED,
            job=record.job if running else None,
            job_started_at=record.job_started_at if running else None,
            last_job=record.last_job,
            last_job_result=record.last_job_result,
            last_job_ended_at=record.last_job_ended_at,
            jobs_run=jobs_run,
            online_at=record.online_at,
            error=record.error,
            stop_asked=record.stop_asked is not None,
            ended=record.ended,
            outcome=record.outcome,
            reason=record.reason,
            working=(record.job is not None or record.phase is Phase.BUSY)
            if watched
            else (True if working_alone else None),
            began=began,
        )


class _Session:
    def __init__(self, host: Host, tree: Tree) -> None:
        self._host, self._tree = host, tree

    def take(self, job: Job) -> None:
        self._host.take(self._tree, job)
