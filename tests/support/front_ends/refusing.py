"""One host, asked for what it must refuse through both front ends."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from runnerctl import core
from runnerctl.core.host import processes
from runnerctl.core.redact import redact
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.front_ends.cli_running import Ran, cli
from tests.support.front_ends.refusal_cases import STATUSES, Ask
from tests.support.hosts.host import Host, Server
from tests.support.hosts.process_table import cmdline, cwd, is_fork_server, pids
from tests.support.sandboxes.strictness import strict_sandbox

TIMEOUT = "1s"
"""How long GitHub may be silent: shorter than the one fault that is late on purpose."""
PREFIXES = ("RUNNERCTL_", "GHWFAX_", "GITHUB_")
NOTHING: dict[str, list[Any]] = {"processes": [], "roots": [], "registrations": [], "rows": [], "orphans": []}


@dataclass(frozen=True, kw_only=True)
class Told:
    """A refusal as one front end told it, its status checked against its code."""

    code: str
    message: str
    hint: str
    fields: tuple[str, ...] = ()
    retry_after: float | None = None

    @classmethod
    def by_command(cls, ran: Ran | subprocess.CompletedProcess[str]) -> Told:
        ran = ran if isinstance(ran, Ran) else Ran(status=ran.returncode, stdout=ran.stdout, stderr=ran.stderr)
        assert ran.status != 0, ran.stdout
        assert redact(ran.stdout + ran.stderr) == ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        error = ran.error
        assert ran.status == STATUSES[error["code"]][0], error
        return cls(
            code=error["code"],
            message=error["message"],
            hint=error["hint"] or "",
            fields=tuple(each["field"] for each in error.get("errors", [])),
            retry_after=error.get("retry_after"),
        )

    @classmethod
    def over_http(cls, answer: requests.Response) -> Told:
        assert answer.status_code >= 400, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert redact(answer.text) == answer.text
        problem = answer.json()
        assert answer.status_code == problem["status"] == STATUSES[problem["code"]][1], problem
        assert answer.headers.get("Retry-After") == (str(problem["retry_after"]) if "retry_after" in problem else None)
        return cls(
            code=problem["code"],
            message=problem["detail"],
            hint=problem.get("hint", ""),
            fields=tuple(each["field"] for each in problem.get("errors", [])),
            retry_after=problem.get("retry_after"),
        )


@dataclass(frozen=True, kw_only=True)
class Place:
    """A host, its local GitHub and its server, asked through either front end."""

    host: Host
    sandbox: Sandbox
    server: Server
    services: Services

    def command(self, *argv: str, **variables: str) -> Ran:
        """Nothing that the machine has set in our names counts."""
        unset = {name: "" for name in os.environ if name.startswith(PREFIXES)}
        return cli("--output", "json", *argv, env={**unset, "RUNNERCTL_ENV_FILE": str(self.host.env_file), **variables})

    def post(self, ask: Ask) -> requests.Response:
        return self.server.request("POST", "/api/v1/runners", ask.body())

    def refusals(self, ask: Ask) -> Iterator[Told]:
        """Of the same create, by one front end after the other."""
        yield Told.by_command(self.command(*ask.argv()))
        yield Told.over_http(self.post(ask))

    def left(self) -> dict[str, list[Any]]:
        return left_on(self.host, self.sandbox, self.services)


def left_on(host: Host, sandbox: Sandbox, services: Services) -> dict[str, list[Any]]:
    """What a refusal must not leave behind; equals ``NOTHING`` where nothing is."""
    return {
        "processes": _processes(host),
        "roots": host.roots(),
        "registrations": [runner.name for runner in sandbox.runners()],
        "rows": [(runner.name, str(runner.state)) for runner in services.store.live()],
        "orphans": [(orphan.name, orphan.reason) for orphan in services.store.orphans()],
    }


def _processes(host: Host) -> list[int]:
    """Every process that has to do with a runner of this host, in one look at ``/proc``."""
    marks = (f"{host.base_dir}/".encode(), f"{host.state_dir}/runners".encode())
    words = {pid: cmdline(pid) + cwd(pid) + b"/" for pid in pids()}
    found = [pid for pid, said in words.items() if any(mark in said for mark in marks) and not is_fork_server(pid)]
    return [pid for pid in found if processes.identify(pid)]


@contextmanager
def opened(host: Host, sandbox: Sandbox) -> Iterator[Place]:
    server, services = Server.start(host, {}), host.services()
    try:
        yield Place(host=host, sandbox=sandbox, server=server, services=services)
    finally:
        services.close()
        server.stop()
        host.kill_everything()


def make_host(top: Path, package_dir: Path, sandbox: Sandbox, **changes: str) -> Host:
    host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
    host.write_env_file(RUNNERCTL_GITHUB_TIMEOUT=TIMEOUT, **changes)
    return host


@contextmanager
def warm_place(top: Path, *, package_dir: Path, archive: Path) -> Iterator[Place]:
    """For all cases that leave nothing. Token and package are there before the first fault."""
    with strict_sandbox(archive=archive) as sandbox, opened(make_host(top, package_dir, sandbox), sandbox) as place:
        assert place.post(Ask(name="warm")).status_code == 201
        assert place.server.remove("warm", "?force=true").status_code == 200
        yield place


def finish_orphans(services: Services) -> int:
    """All of them, due or not; how many are left."""
    core.clear_orphans(services, services.store.orphans())
    return len(services.store.orphans())


def tidy(place: Place) -> None:
    """A case that failed must not make the others fail."""
    place.sandbox.clear_faults()
    for runner in place.services.store.live():
        place.server.remove(runner.name, "?force=true")
    finish_orphans(place.services)
    for left in place.sandbox.runners():
        place.sandbox.delete_runner(left.id)


# --- What may be made all the same ---


def created_by_command(place: Place, ask: Ask) -> int:
    ran = place.command(*ask.argv())
    assert ran.status == 0, ran.stdout
    return int(ran.document["github_id"])


def created_over_http(place: Place, ask: Ask) -> int:
    answer = place.post(ask)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["github_id"])
