"""GitHub: registrations, jobs, and what may be wrong with both; and the client that a process has of it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from runnerctl.core.domain.errors import (
    GitHubBusy,
    GitHubConflict,
    GitHubNoAnswer,
    GitHubRateLimited,
    GitHubUnavailable,
)
from runnerctl.core.domain.models import Scope
from runnerctl.core.github.answers import Deprecation, Download, JitConfig, RemoteRunner

if TYPE_CHECKING:
    from .rules import Rules
    from .schedule import Schedule

STRANGER = "stranger"
LOST_JOB_SECONDS = 600.0
"""After so long without a sign of life of its runner a job has failed."""
TOO_OLD, CURRENT, NEWER = "2.329.0", "2.336.0", "2.337.0"


@dataclass
class Job:
    """One that was submitted for a runner's name."""

    id: int
    scope: Scope
    name: str
    seconds: float
    status: str = "queued"
    """Then ``assigned``, ``running``, and ``success``, ``cancelled`` or ``lost``."""

    @property
    def over(self) -> bool:
        return self.status in {"success", "cancelled", "lost"}


class Listener(Protocol):
    """What waits for jobs at the other end of a session."""

    def take(self, job: Job) -> None: ...


@dataclass
class Registration:
    id: int
    name: str
    scope: Scope
    labels: tuple[str, ...]
    ephemeral: bool
    version: str | None = None
    online: bool = False
    job: Job | None = None
    busy_from: float = 0.0
    """GitHub itself hears of a job's begin and end a moment later."""
    busy_until: float = 0.0
    listener: Listener | None = None
    """Whose session is open."""
    listings: list[tuple[float, bool]] = field(default_factory=list)
    """When it was listed last, and when it should have been and was not."""

    def busy(self, now: float) -> bool:
        return (self.job is not None and now >= self.busy_from) or now < self.busy_until


class GitHubSide:
    """All of it; events of the schedule and the clients' calls change it."""

    def __init__(self, schedule: Schedule, rng: random.Random) -> None:
        self.schedule, self._rng = schedule, rng
        self.registrations: dict[int, Registration] = {}
        self.gone: dict[int, Registration] = {}
        """Those that there were."""
        self.jobs: list[Job] = []
        self.down = False
        self.limited = False
        self.unanswered = 0.0
        """How often an answer is lost."""
        self.hides: set[int] = set()
        """What its lists leave out at the moment."""
        self.public: set[Scope] = set()
        self.offered, self.refused = CURRENT, TOO_OLD
        self.ends: dict[str, float] = {}
        """When it tells that a version ends."""
        self._ids = itertools.count(100)
        self._job_ids = itertools.count(1)

    @property
    def now(self) -> float:
        return self.schedule.now

    def named(self, scope: Scope, name: str) -> Registration | None:
        found = (each for each in self.registrations.values() if each.scope == scope and each.name == name)
        return next(found, None)

    def register(self, scope: Scope, name: str, labels: tuple[str, ...], *, ephemeral: bool) -> Registration | None:
        """None if one of that name is there."""
        if self.named(scope, name) is not None:
            return None
        made = Registration(next(self._ids), name, scope, labels, ephemeral)
        self.registrations[made.id] = made
        self.schedule.changed()
        return made

    def delete(self, registration_id: int) -> None:
        found = self.registrations.pop(registration_id, None)
        if found is not None:
            self.gone[found.id] = found
            self.schedule.changed()

    # -- sessions and jobs

    def connect(self, registration_id: int, listener: Listener, version: str) -> None:
        found = self.registrations[registration_id]
        found.online, found.listener, found.version = True, listener, version
        self.schedule.changed()
        self.schedule.after(self._rng.uniform(0.0, 1.0), self.hand_out)

    def disconnect(self, registration_id: int, listener: Listener, *, at_once: bool) -> None:
        found = self.registrations.get(registration_id)
        if found is None or found.listener is not listener:
            return
        found.listener = None

        def noticed() -> None:
            if found.listener is None:
                found.online = False
                self.schedule.changed()

        if at_once:
            noticed()
        else:
            self.schedule.after(self._rng.uniform(1.0, 60.0), noticed)

    def submit(self, scope: Scope, name: str, seconds: float) -> Job:
        job = Job(next(self._job_ids), scope, name, seconds)
        self.jobs.append(job)
        self.schedule.after(self._rng.uniform(0.0, 1.0), self.hand_out)
        return job

    def hand_out(self) -> None:
        """To whoever waits for them."""
        if self.down:
            return
        for job in self.jobs:
            found = self.named(job.scope, job.name) if job.status == "queued" else None
            if found is not None and found.listener is not None and found.job is None:
                found.job, job.status = job, "assigned"
                found.busy_from = self.now + self._rng.uniform(0.0, 2.0)
                found.listener.take(job)

    def give_back(self, registration_id: int, job: Job) -> None:
        """It was handed over, and nobody began it."""
        found = self.registrations.get(registration_id)
        if found is not None and found.job is job:
            found.job = None
        job.status = "queued"
        self.schedule.after(self._rng.uniform(1.0, 60.0), self.hand_out)

    def end_job(self, registration_id: int, job: Job, status: str) -> None:
        job.status = status
        found = self.registrations.get(registration_id)
        if found is not None and found.job is job:
            found.job = None
            found.busy_until = self.now + self._rng.choice((0.0, 0.5, 3.0))
            if found.ephemeral:
                self.delete(found.id)
        self.schedule.changed()
        self.schedule.after(self._rng.uniform(0.0, 1.0), self.hand_out)

    def lose_job(self, registration_id: int, job: Job) -> None:
        """Whatever ran it is dead: that is noticed after minutes."""

        def noticed() -> None:
            found = self.registrations.get(registration_id)
            if found is not None and found.job is job:
                found.job = None
                self.schedule.changed()

        job.status = "lost"
        self.schedule.after(LOST_JOB_SECONDS, noticed)


class FakeGitHub:
    """The calls of one process: those of ``GitHub`` that the engine makes."""

    rate_limit = None

    def __init__(self, side: GitHubSide, rules: Rules, monotonic: Callable[[], float], rng: random.Random) -> None:
        self._side, self._rules, self._monotonic, self._rng = side, rules, monotonic, rng
        self._visibility: dict[Scope, tuple[float, bool]] = {}

    def close(self) -> None:
        """It holds nothing."""

    def generate_jitconfig(
        self, scope: Scope, *, name: str, group_id: int, labels: tuple[str, ...], workdir: str
    ) -> JitConfig:
        del group_id, workdir
        made = self._post("generate-jitconfig", lambda: self._side.register(scope, name, labels, ephemeral=True))
        if made is None:
            raise GitHubConflict(f"A runner named {name} exists")
        return JitConfig(runner=self._value(made), encoded=str(made.id))

    def registration_token(self, scope: Scope) -> str:
        self._call(f"registration token {scope}")
        return "token"

    def find_runner(self, scope: Scope, name: str) -> RemoteRunner | None:
        self._call(f"find {name}")
        found = self._side.named(scope, name)
        return None if found is None else self._value(found)

    def get_runner(self, scope: Scope, runner_id: int) -> RemoteRunner | None:
        self._call(f"get {runner_id} in {scope}")
        found = self._side.registrations.get(runner_id)
        return None if found is None else self._value(found)

    def list_runners(self, scope: Scope) -> list[RemoteRunner]:
        self._call(f"list {scope}")
        listed, now = [], self._side.now
        for each in self._side.registrations.values():
            if each.scope == scope:
                hidden = each.id in self._side.hides
                each.listings = [*each.listings, (now, False)] if hidden else [(now, True)]
                listed += [] if hidden else [self._value(each)]
        return listed

    def delete_runner(self, scope: Scope, runner_id: int) -> bool:
        del scope
        if (found := self._side.registrations.get(runner_id)) is not None:
            self._rules.deletes(found)
        return self._post(f"delete {runner_id}", lambda: self._delete(runner_id))

    def _delete(self, runner_id: int) -> bool:
        found = self._side.registrations.get(runner_id)
        if found is None:
            return False
        if found.busy(self._side.now) and self._rng.random() > 0.05:  # it has answered 204 in mid-job
            raise GitHubBusy(f"Runner {found.name} is running a job")
        self._side.delete(runner_id)
        return True

    def group_id(self, scope: Scope, group_name: str | None) -> int:
        del scope, group_name
        return 1

    def is_public(self, scope: Scope, *, max_age: float = 3600.0) -> bool:
        known = self._visibility.get(scope)
        if known is None or self._monotonic() - known[0] > max_age:
            self._call(f"repository {scope}")
            known = self._visibility[scope] = (self._monotonic(), scope in self._side.public)
        return known[1]

    def downloads(self, scope: Scope) -> list[Download]:
        self._call(f"downloads {scope}")
        version = self._side.offered
        return [
            Download(
                os="linux",
                architecture=architecture,
                url="https://github.com/archive",
                filename=f"actions-runner-linux-{architecture}-{version}.tar.gz",
                sha256="0" * 64,
                temp_token=None,
            )
            for architecture in ("x64", "arm64")
        ]

    def deprecation(self, scope: Scope, version: str) -> Deprecation | None:
        self._call(f"deprecation of {version} in {scope}")
        return Deprecation(runtime_at=self._side.ends.get(version), registration_at=None)

    def release(self, version: str) -> None:
        del version

    # -- how a call goes

    def _call(self, what: str) -> None:
        """One that changes nothing."""
        schedule = self._side.schedule
        schedule.gate(f"GitHub: {what}")
        self._wait()
        self._refuse()
        if self._rng.random() < self._side.unanswered:
            raise GitHubUnavailable("No answer")

    def _post(self, what: str, act: Callable[[], object]) -> object:
        """One that changes something: at some moment after it was sent, whatever has become of the sender."""
        schedule = self._side.schedule
        schedule.gate(f"GitHub: {what}")
        self._refuse()
        answer: list[object] = []

        def arrive() -> None:
            try:
                answer.append(act())
            except GitHubBusy as exc:
                answer.append(exc)

        seconds = self._rng.choice((0.0, 0.0, 0.1, 0.5, 3.0))
        schedule.after(seconds, arrive)
        schedule.gate(f"GitHub: {what}: sent")
        schedule.wait(until=schedule.now + seconds)
        while not answer:
            schedule.wait(until=schedule.now + 0.05)
        if self._rng.random() < self._side.unanswered:
            raise GitHubNoAnswer("The answer was lost")
        if isinstance(answer[0], Exception):
            raise answer[0]
        return answer[0]

    def _wait(self) -> None:
        schedule = self._side.schedule
        if (seconds := self._rng.choice((0.0, 0.0, 0.0, 0.1, 0.5, 3.0))) > 0:
            schedule.wait(until=schedule.now + seconds)

    def _refuse(self) -> None:
        schedule = self._side.schedule
        if self._side.down:
            schedule.wait(until=schedule.now + self._rng.choice((0.0, 1.0, 10.0)))
            raise GitHubUnavailable("GitHub is down")
        if self._side.limited and self._rng.random() < 0.5:
            raise GitHubRateLimited("Too many requests", retry_after=60.0)

    def _value(self, found: Registration) -> RemoteRunner:
        return RemoteRunner(
            id=found.id,
            name=found.name,
            os="linux",
            status="online" if found.online else "offline",
            busy=found.busy(self._side.now),
            labels=found.labels,
            ephemeral=found.ephemeral,
            version=found.version,
            group_id=1,
        )
