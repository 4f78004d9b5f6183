"""GitHub in memory: what it knows, and what happens to one thing when another changes.

Only the event loop of the server touches it, and no method waits; so every method is one step that nobody
can see half done.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from .accounts import Accounts
from .faults import Faults, Knobs
from .id_tokens import IdTokens
from .jobs.blobs import Blobs
from .jobs.catalogue import ActionCatalogue
from .jobs.queue import LOST_RUNNER, JobQueue, fits
from .jobs.tokens import JobTokens
from .limits import RateLimits
from .releases import Releases
from .runner_urls import RunnerUrls
from .runners import Registry, distinct
from .sessions import Message, Session, Sessions
from .tokens import Token, TokenKind, Tokens, new_value
from .values import Call, Job, JobView, Phase, Runner, RunnerView, Scope, Step
from .version_ends import VersionEnds


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The times and limits of GitHub, as far as a rehearsal may want others."""

    poll_seconds: float = 50.0
    """How long a poll for messages is held open."""
    requeue_seconds: float = 60.0
    """A job that was not acknowledged by then is queued again."""
    lease_seconds: float = 600.0
    """A job whose lease was not renewed by then has failed."""
    session_seconds: float = 60.0
    """A session without a poll for so long is lost."""
    broken_session_seconds: float = 2.0
    """The same after a poll whose connection broke. GitHub takes a minute or two."""
    token_seconds: float = 3600.0
    rate_limit: int = 5000
    minimum_version: str = "2.329.0"
    """Older runners get no messages."""


CANCEL_TIMEOUT = "00:05:00"
"""How long a cancelled job may take to end."""


class GitHub:
    def __init__(
        self,
        *,
        app_key: RSAPublicKey,
        runner_key: RSAPrivateKey,
        pat: str,
        settings: Settings,
        strict: bool = False,
        actions: Mapping[str, Path] | None = None,
    ) -> None:
        self.app_key = app_key
        self.runner_key = runner_key
        """The identity in every JIT configuration: a key for each runner would cost 100 ms each."""
        self.settings = settings
        self.strict = strict
        self.violations: list[str] = []
        """What runners did, in strict mode, that the real one does not do."""
        self.knobs = Knobs()
        self.faults = Faults()
        self.accounts = Accounts()
        self.tokens = Tokens()
        self.id_tokens = IdTokens()
        self.limits = RateLimits(settings.rate_limit)
        self.registry = Registry()
        self.sessions = Sessions()
        self.jobs = JobQueue()
        self.job_tokens = JobTokens()
        self.blobs = Blobs()
        self.actions = ActionCatalogue(actions or {})
        self.releases = Releases()
        self.version_ends = VersionEnds()
        self.calls: list[Call] = []
        self.server_url = ""
        self.started_at = self.now()
        self.closing = False
        """The server stops: polls are not held open any more."""
        self._watchers: set[asyncio.Future[None]] = set()
        self.tokens.keep(Token(value=pat, kind=TokenKind.USER, expires_at=float("inf")))

    def now(self) -> float:
        """What GitHub's clock shows: for tokens, and for what is told."""
        return time.time() + self.knobs.clock_offset

    def monotonic(self) -> float:
        """For deadlines of sessions and jobs: setting the clock must not end them."""
        return time.monotonic()

    @property
    def api_url(self) -> str:
        return f"{self.server_url}/api/v3"

    @property
    def runner_urls(self) -> RunnerUrls:
        return RunnerUrls(server=self.server_url)

    def issue(
        self,
        kind: TokenKind,
        *,
        seconds: float | None = None,
        owner: str | None = None,
        permissions: Mapping[str, str] | None = None,
        repositories: frozenset[str] | None = None,
        scope: Scope | None = None,
        runner_id: int | None = None,
        job_id: int | None = None,
    ) -> Token:
        """A new token of that kind; it holds for an hour unless said otherwise."""
        seconds = self.settings.token_seconds if seconds is None else seconds
        return self.tokens.keep(
            Token(
                value=new_value(kind),
                kind=kind,
                expires_at=self.now() + seconds,
                owner=owner,
                permissions=permissions or {},
                repositories=repositories,
                scope=scope,
                runner_id=runner_id,
                job_id=job_id,
            )
        )

    def id_token(self, claims: Mapping[str, object]) -> str:
        """A workflow's OIDC token, as ``ACTIONS_ID_TOKEN_REQUEST_URL`` would answer it."""
        repository = Scope.parse(str(claims.get("repository") or ""))
        told = {"repository_visibility": "public"} if self.accounts.is_public(repository) else {}
        return self.id_tokens.issue(self.server_url, now=self.now(), claims={**told, **claims})

    # --- Registrations ---

    def register(
        self,
        *,
        scope: Scope,
        name: str,
        labels: Sequence[str],
        group_id: int = 1,
        ephemeral: bool,
        public_key: RSAPublicKey | None,
    ) -> Runner:
        """Raises NameTaken."""
        runner = self.registry.add(
            Runner(
                id=self.registry.next_id(),
                name=name,
                scope=scope,
                group_id=group_id,
                labels=distinct(labels),
                ephemeral=ephemeral,
                client_id=str(uuid.uuid4()),
                public_key=public_key,
                fips=self.knobs.require_fips,
            )
        )
        self.notify_change()
        return runner

    def update_runner(self, runner: Runner) -> Runner:
        """New labels may make it fit for a job that waits."""
        self.registry.replace(runner)
        self.dispatch()
        return runner

    def deregister(self, runner_id: int) -> bool:
        """False if there was none. A job that runs goes on: only its own runner can end it."""
        if self.registry.remove(runner_id) is None:
            return False
        job = self.jobs.held_by(runner_id)
        if job is not None and job.phase is Phase.ASSIGNED:
            self._take_back(job)
        session = self.sessions.of(runner_id)
        if session is not None and self.jobs.held_by(runner_id) is None:
            session.wake()
        self.dispatch()
        return True

    def deregister_while_dispatching(self, runner: Runner) -> None:
        """The race that GitHub does not exclude: the runner is let go, and gets a job that was on its way to it."""
        session = self.sessions.of(runner.id)
        self.deregister(runner.id)
        job = next((job for job in self.jobs.waiting() if fits(job, runner)), None)
        if job is not None and session is not None and not self.is_busy(runner.id):
            self._hand_over(job, runner, session)
            self.notify_change()

    def runner_of_client(self, client_id: str) -> Runner | None:
        """One that was deleted while a job was on its way to it may still sign in, for that job."""
        known = self.registry.by_client_id(client_id)
        return known or next((runner for runner in self.jobs.holders() if runner.client_id == client_id), None)

    def is_busy(self, runner_id: int) -> bool:
        return self.jobs.held_by(runner_id) is not None

    # --- Sessions ---

    def open_session(self, runner: Runner, *, version: str, os: str) -> Session:
        """Raises SessionConflict."""
        session = self.sessions.open(runner.id, expires_at=self.monotonic() + self.settings.session_seconds)
        self.registry.replace(dataclasses.replace(runner, version=version, os=os))
        self.dispatch()
        return session

    def close_session(self, session: Session) -> None:
        """A job that its runner has not acknowledged goes to another."""
        self.sessions.close(session)
        job = self.jobs.held_by(session.runner_id)
        if job is not None and job.phase is Phase.ASSIGNED:
            self.jobs.queue_again(job)
        self.dispatch()

    def is_gone(self, session: Session) -> bool:
        """Whether its runner was deregistered while it had no job."""
        known = session.finished or self.registry.get(session.runner_id) is not None
        return not known and not self.is_busy(session.runner_id)

    # --- Jobs ---

    def submit(
        self,
        *,
        repository: Scope,
        runs_on: Sequence[str],
        steps: Sequence[Step],
        name: str,
        workflow: str,
        env: Mapping[str, str],
        files: Mapping[str, str],
        event_name: str,
        event: Mapping[str, Any],
        permissions: Mapping[str, str],
    ) -> Job:
        job = self.jobs.submit(
            repository=repository,
            runs_on=runs_on,
            steps=steps,
            name=name,
            workflow=workflow,
            env=env,
            files=files,
            event_name=event_name,
            event=event,
            permissions=permissions,
            now=self.now(),
        )
        self.dispatch()
        return job

    def dispatch(self) -> None:
        """Hands waiting jobs, oldest first, to connected runners that have none."""
        for job in () if self.knobs.dispatch_on_delete else self.jobs.waiting():
            for session in self.sessions.all():
                runner = self.registry.get(session.runner_id)
                if runner is not None and not self.is_busy(runner.id) and fits(job, runner):
                    self._hand_over(job, runner, session)
                    break
        self.notify_change()

    def finish(self, job: Job, conclusion: str) -> None:
        """The job is over, and with it the registration of an ephemeral runner; its session is the runner's to end."""
        session = self.sessions.of(job.runner.id) if job.runner else None
        if session is not None and job.runner is not None and job.runner.ephemeral:
            session.finished = True
        self._ended(self.jobs.complete(job, conclusion, now=self.now()))

    def cancel(self, job: Job) -> None:
        """A running job is asked to end; its runner says when it has."""
        session = self.sessions.of(job.runner.id) if job.runner else None
        if job.phase is Phase.RUNNING and session is not None:
            session.post(Message(type="JobCancellation", body={"jobId": job.guid, "timeout": CANCEL_TIMEOUT}))
        elif job.phase is not Phase.COMPLETED:
            if session is not None:
                session.withdraw(job.request_id)
            self.jobs.complete(job, "cancelled", now=self.now())
            self.dispatch()

    def expire(self) -> None:
        """What only the passing of time brings about; to be called now and then."""
        for session in self.sessions.lost(now=self.monotonic()):
            self.close_session(session)
        for job in self.jobs.overdue(now=self.monotonic()):
            if job.phase is Phase.ASSIGNED:
                self._take_back(job)
                self.dispatch()
            else:
                self._ended(self.jobs.fail(job, LOST_RUNNER, now=self.now()))
        self.tokens.forget_expired(now=self.now())

    # --- What others see ---

    def view_runner(self, runner: Runner) -> RunnerView:
        job = self.jobs.held_by(runner.id)
        return RunnerView(
            id=runner.id,
            name=runner.name,
            scope=str(runner.scope),
            status="online" if self.sessions.of(runner.id) else "offline",
            busy=job is not None,
            labels=runner.labels,
            ephemeral=runner.ephemeral,
            os=runner.os,
            version=runner.version,
            group_id=runner.group_id,
            job_id=job.id if job else None,
        )

    def view_job(self, job: Job) -> JobView:
        report = self.jobs.report(job)
        return JobView(
            id=job.id,
            run_id=job.run_id,
            repository=str(job.repository),
            name=job.name,
            workflow=job.workflow,
            labels=job.runs_on,
            status=job.status,
            conclusion=job.conclusion,
            runner_id=job.runner.id if job.runner else None,
            runner_name=job.runner.name if job.runner else None,
            assignments=job.assignments,
            created_at=job.created_at,
            started_at=job.started_at,
            completed_at=job.completed_at,
            lines=report.lines,
            steps=report.steps,
            annotations=tuple(report.annotations),
        )

    async def change(self) -> None:
        """Returns after the next change of a runner, session or job."""
        watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.add(watcher)
        try:
            await watcher
        finally:
            self._watchers.discard(watcher)

    def _hand_over(self, job: Job, runner: Runner, session: Session) -> None:
        job = self.jobs.assign(job, runner, deadline=self.monotonic() + self.settings.requeue_seconds)
        body = {
            "runner_request_id": job.request_id,
            "run_service_url": self.runner_urls.service,
            "should_acknowledge": self.knobs.should_acknowledge,
            "billing_owner_id": "",
        }
        session.post(Message(type="RunnerJobRequest", body=body, for_idle=True))

    def _take_back(self, job: Job) -> None:
        """Queues a job again that its runner has not acknowledged."""
        session = self.sessions.of(job.runner.id) if job.runner else None
        if session is not None:
            session.withdraw(job.request_id)
        self.jobs.queue_again(job)

    def _ended(self, job: Job) -> None:
        runner = job.runner
        self.blobs.forget(job.guid)
        if runner is not None and runner.ephemeral:
            self.deregister(runner.id)
        session = self.sessions.of(runner.id) if runner else None
        if session is not None and self.registry.get(session.runner_id) is None:
            session.wake()
        self.dispatch()

    def notify_change(self) -> None:
        """Wakes who waits for a change."""
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)
