"""The sandbox as one object: a local GitHub with its own thread and event loop."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import shutil
import socket
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
from aiohttp import web

from . import control, keys, openid
from .accounts import APP_ID, CLIENT_ID
from .app import build_app, let_time_pass
from .misbehaving import Misbehaving
from .orders import JobOrder
from .state import GitHub, Settings
from .tokens import TokenKind, new_value
from .values import Job, JobView, Runner, RunnerView, Scope

T = TypeVar("T")
BACKLOG = 1024
HTTP_PORT = 80


class Sandbox(Misbehaving):
    """A local GitHub. Use it as a context manager, or call ``start`` and ``stop``.

    All methods may be called from any thread, also after ``stop``. A sandbox that is started again keeps its
    port and all that it knew: to runners and clients that was an outage.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        archive: Path | None = None,
        version: str = "2.336.0",
        poll_seconds: float = 50.0,
        latency: float = 0.0,
        private_key_pem: str | None = None,
        settings: Settings | None = None,
        strict: bool = False,
        actions: Mapping[str, Path] | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        """``archive`` is the runner package of ``version``; without it the stand-in is packed at the start.

        ``strict`` refuses, and keeps in ``violations``, what the real runner would not send. ``actions`` are
        directories by ``OWNER/NAME``. ``listener`` is for the first start, in place of host and port: a socket that
        was opened with rights which this process has no more.
        """
        key = keys.from_pem(private_key_pem) if private_key_pem else keys.private_key("app")
        self.private_key_pem = private_key_pem or keys.to_pem(key)
        self.pat = new_value(TokenKind.USER)
        self.app_id = APP_ID
        self.client_id = CLIENT_ID
        self._host = host
        self._port = port
        self._listener = listener
        self._archive = archive
        self._version = version
        github = GitHub(
            app_key=key.public_key(),
            runner_key=keys.private_key("runners"),
            pat=self.pat,
            settings=dataclasses.replace(settings or Settings(), poll_seconds=poll_seconds),
            strict=strict,
            actions=actions,
        )
        super().__init__(github)
        self.delay_all = latency
        self._thread: threading.Thread | None = None
        self._stop = asyncio.Event()

    # --- Life ---

    def start(self) -> None:
        """Returns once the sandbox answers. Raises OSError if the address cannot be had."""
        if self._thread is not None:
            raise RuntimeError("The sandbox is running already")
        if self._github.releases.latest() is None:
            self._github.releases.publish(self._version, self._archive or self._packed(self._version))
        listener = self._listen()
        ready: threading.Event = threading.Event()
        self._stop = asyncio.Event()
        self._github.closing = False
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, ready)), name="sandbox", daemon=True
        )
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Ends long polls at once and returns when the server is gone. Stopping twice is not an error."""
        thread, loop = self._thread, self._loop
        if thread is None or loop is None:
            return
        loop.call_soon_threadsafe(self._stop.set)
        thread.join()
        self._thread = self._loop = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # --- Where it is, and how to get in ---

    @property
    def server_url(self) -> str:
        return self._github.server_url

    @property
    def serves_config_sh(self) -> bool:
        """Whether config.sh, which drops the port of a URL, can find it."""
        return self._port == HTTP_PORT

    @property
    def enterprise_issuer(self) -> str:
        """Of OIDC tokens, as an Enterprise Server has it; ``server_url`` is one as github.com has it."""
        return f"{self.server_url}{openid.ENTERPRISE}"

    @property
    def api_url(self) -> str:
        return self._github.api_url

    @property
    def control_url(self) -> str:
        """Takes ``pat`` as bearer token."""
        return self.server_url + control.PREFIX.rstrip("/")

    def environment(self) -> dict[str, str]:
        """The variables with which runnerctl talks to this GitHub."""
        return {
            "GITHUB_APP_ID": str(self.app_id),
            "GITHUB_APP_PRIVATE_KEY_B64": base64.b64encode(self.private_key_pem.encode()).decode(),
            "GITHUB_API_URL": self.api_url,
            "GITHUB_SERVER_URL": self.server_url,
        }

    # --- What it knows ---

    def publish(self, repo: str, *, public: bool = True) -> None:
        """Everybody may see that repository from now on; or, again, only its owner's people."""
        self._ask(lambda: self._github.accounts.publish(Scope.parse(repo), public=public))

    def oidc_token(self, repository: str, *, audience: str, **claims: Any) -> str:
        """The OIDC token of a workflow of that repository; None leaves a claim out.

        ``server_url`` is the issuer, unless ``iss`` is ``enterprise_issuer``. ``immutable_sub=True``: ``sub`` has ids.
        """
        return self._ask(lambda: self._github.id_token({"repository": repository, "aud": audience, **claims}))

    def rotate_oidc_key(self) -> None:
        """Another key signs OIDC tokens from now on; nobody is offered the one so far any more."""
        self._ask(self._github.id_tokens.rotate)

    def add_release(self, version: str, archive: Path | None = None) -> None:
        """Publishes a release, which is then the latest."""
        packed = archive or self._packed(version)
        self._ask(lambda: self._github.releases.publish(version, packed))

    # --- Jobs ---

    def submit_job(
        self,
        repo: str,
        runs_on: str | Sequence[str],
        steps: Sequence[Mapping[str, Any]],
        *,
        name: str = "build",
        env: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        workflow: str = "CI",
        event_name: str = "workflow_dispatch",
        event: Mapping[str, Any] | None = None,
        permissions: Mapping[str, str] | None = None,
    ) -> int:
        """Queues a job and returns its id. Raises msgspec.ValidationError for what cannot be a job.

        ``permissions`` are a workflow's: ID tokens are for jobs with ``{"id-token": "write"}`` only.
        """
        order = msgspec.convert(
            {
                "repo": repo,
                "runs_on": runs_on if isinstance(runs_on, str) else list(runs_on),
                "steps": [dict(step) for step in steps],
                "name": name,
                "workflow": workflow,
                "event_name": event_name,
                "event": dict(event or {}),
                "permissions": dict(permissions or {}),
                "env": dict(env or {}),
                "files": dict(files or {}),
            },
            JobOrder,
        )
        return self._ask(lambda: order.submit(self._github)).id

    def job(self, job_id: int) -> JobView:
        """Raises KeyError for one that was never submitted."""
        return self._ask(lambda: self._github.view_job(self._job(job_id)))

    def jobs(self) -> list[JobView]:
        return self._ask(lambda: [self._github.view_job(job) for job in self._github.jobs.all()])

    def cancel_job(self, job_id: int) -> None:
        self._ask(lambda: self._github.cancel(self._job(job_id)))

    def wait_job(self, job_id: int, timeout: float = 30.0) -> JobView:
        """The job once it is completed. Raises TimeoutError that says how far it came."""
        return self._wait_job(job_id, {"completed"}, timeout)

    def wait_job_started(self, job_id: int, timeout: float = 30.0) -> JobView:
        return self._wait_job(job_id, {"in_progress", "completed"}, timeout)

    # --- Runners ---

    def runners(self) -> list[RunnerView]:
        return self._ask(lambda: [self._github.view_runner(runner) for runner in self._github.registry.all()])

    def wait_runner(self, name: str, status: str = "online", timeout: float = 30.0) -> RunnerView:
        """The runner of that name, in whichever scope, once it has that status."""

        def look() -> RunnerView | None:
            return next((seen for seen in self._named(name) if seen.status == status), None)

        return self._wait(look, timeout, lambda: f"Runner {name!r} is not {status} but {self._named(name)}")

    def wait_runner_gone(self, name: str, timeout: float = 30.0) -> None:
        """Returns once no runner of that name is registered."""

        def look() -> bool | None:
            return None if self._named(name) else True

        self._wait(look, timeout, lambda: f"Runner {name!r} is still registered: {self._named(name)}")

    def add_runner(
        self, scope: object, name: str, *, labels: Sequence[str] = ("self-hosted",), ephemeral: bool = False
    ) -> int:
        """Registers somebody else's runner, which never connects. ``scope`` is ``OWNER/REPO`` or an organization."""

        def register() -> Runner:
            return self._github.register(
                scope=Scope.parse(str(scope)), name=name, labels=labels, ephemeral=ephemeral, public_key=None
            )

        return self._ask(register).id

    def delete_runner(self, runner_id: int) -> bool:
        """Deletes a registration behind everybody's back, busy or not. False if there was none."""
        return self._ask(lambda: self._github.deregister(runner_id))

    # --- Inside ---

    async def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        app = build_app(self._github, self.pat)
        # The handler of a call learns that its caller has hung up: a broken poll ends a session.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await runner.setup()
        await web.SockSite(runner, listener, backlog=BACKLOG).start()
        clock = asyncio.create_task(let_time_pass(self._github))
        ready.set()
        await self._stop.wait()
        clock.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await clock
        await runner.cleanup()

    def _listen(self) -> socket.socket:
        listener, self._listener = self._listener, None
        if listener is None:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            listener = socket.create_server((self._host, self._port), family=family, backlog=BACKLOG)
        self._host, self._port = listener.getsockname()[:2]
        host = f"[{self._host}]" if ":" in self._host else self._host
        # config.sh drops the port of a URL: it finds a sandbox on port 80 only, which needs none.
        self._github.server_url = f"http://{host}" if self._port == HTTP_PORT else f"http://{host}:{self._port}"
        return listener

    def _packed(self, version: str) -> Path:
        from runnerctl.standin.archive import build_archive

        directory = tempfile.mkdtemp(prefix="runnerctl-sandbox-")
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        return build_archive(Path(directory) / f"actions-runner-{version}.tar.gz", version=version)

    def _job(self, job_id: int) -> Job:
        job = self._github.jobs.get(job_id)
        if job is None:
            raise KeyError(job_id)
        return job

    def _named(self, name: str) -> list[RunnerView]:
        runners = self._github.registry.all()
        return [self._github.view_runner(runner) for runner in runners if runner.name.lower() == name.lower()]

    def _wait_job(self, job_id: int, statuses: set[str], timeout: float) -> JobView:
        def look() -> JobView | None:
            job = self._job(job_id)
            return self._github.view_job(job) if job.status in statuses else None

        return self._wait(look, timeout, lambda: f"Job {job_id} is still as {self._github.view_job(self._job(job_id))}")

    def _wait(self, look: Callable[[], T | None], timeout: float, failure: Callable[[], str]) -> T:
        async def until() -> T:
            async with asyncio.timeout(timeout):
                while (found := look()) is None:
                    await self._github.change()
            return found

        if self._loop is None:
            raise RuntimeError("The sandbox is not running")
        try:
            return asyncio.run_coroutine_threadsafe(until(), self._loop).result()
        except TimeoutError:
            raise TimeoutError(f"{self._ask(failure)} after {timeout:g} s") from None
