"""Bad input, bad settings, a full disk, a GitHub that fails: refused alike by both front ends, and nothing is left.

One host with one server takes all the cases that leave nothing behind: whatever one of them left, it would tell.
"""

from __future__ import annotations

import math
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from runnerctl import core
from runnerctl.core import processes
from runnerctl.core.redact import redact
from runnerctl.core.services import Services
from runnerctl.core.states import RunnerState
from runnerctl.sandbox import Fault, Sandbox
from runnerctl.sandbox.archive import build_archive
from tests.cli_running import Ran, cli
from tests.conftest import NEEDS_ROOT
from tests.host import Host, Server, create, until
from tests.refusal_cases import (
    APP,
    BAD_ASKS,
    BAD_KEYS,
    BAD_PACKAGES,
    JIT,
    KEY_B64,
    LIST,
    REPO,
    STATUSES,
    TROUBLES,
    Ask,
    BadAsk,
    BadKey,
    BadPackage,
    Trouble,
    always,
    another_key,
)

TIMEOUT = "1s"
"""How long GitHub may be silent: shorter than the one fault that is late on purpose."""
NOTHING: dict[str, list[Any]] = {"processes": [], "roots": [], "registrations": [], "rows": [], "orphans": []}
NOBODY = 65534


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
        return cli("--output", "json", *argv, env={"RUNNERCTL_ENV_FILE": str(self.host.env_file), **variables})

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


def _processes(host: Host) -> list[str]:
    """Every process that has to do with a runner of this host, in one look at ``/proc``."""
    marks = (f"{host.base_dir}/".encode(), f"{host.state_dir}/runners".encode())
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and processes.identify(int(entry.name)):
            try:
                words = (entry / "cmdline").read_bytes() + os.fsencode((entry / "cwd").readlink()) + b"/"
            except OSError:
                continue
            found += [entry.name] if any(mark in words for mark in marks) else []
    return found


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("RUNNERCTL_", "GHWFAX_", "GITHUB_"))]:
        monkeypatch.delenv(name)


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


@pytest.fixture(scope="module")
def shared(archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """For all cases that leave nothing. Token and package are there before the first fault."""
    with (
        Sandbox(archive=archive) as sandbox,
        opened(make_host(tmp_path_factory.mktemp("shared"), package_dir, sandbox), sandbox) as place,
    ):
        assert place.post(Ask(name="warm")).status_code == 201
        assert place.server.remove("warm", "?force=true").status_code == 200
        yield place


@pytest.fixture
def place(shared: Place) -> Iterator[Place]:
    """Healthy before and after each case."""
    yield shared
    shared.sandbox.clear_faults()


@pytest.fixture
def own(host: Host, sandbox: Sandbox) -> Iterator[Place]:
    """A place for one test, for those whose runners live through an outage."""
    host.write_env_file(RUNNERCTL_GITHUB_TIMEOUT=TIMEOUT)
    with opened(host, sandbox) as place:
        yield place


# --- What the caller got wrong ---


@pytest.mark.parametrize("bad", BAD_ASKS, ids=lambda bad: bad.id)
def test_a_create_that_cannot_be_meant_is_refused_before_anything(place: Place, bad: BadAsk) -> None:
    calls = len(place.sandbox.calls)
    by_command, over_http = place.refusals(bad.ask)
    assert by_command == over_http
    assert by_command.code == "invalid_request"
    assert by_command.fields == (bad.field,)
    assert bad.says in by_command.message
    assert bad.hint in by_command.hint
    assert len(place.sandbox.calls) == calls
    assert place.left() == NOTHING


@pytest.mark.parametrize(
    ("argv", "method", "path"),
    [
        (("remove", "never"), "DELETE", ""),
        (("remove", "never", "--force"), "DELETE", "?force=true"),
        (("remove", "never", "--drain"), "DELETE", "?drain=true"),
        (("stop", "never"), "POST", "/stop"),
        (("start", "never"), "POST", "/start"),
        (("logs", "never"), "GET", "/logs"),
        (("status", "never"), "GET", ""),
    ],
)
def test_a_name_never_known_is_not_found(place: Place, argv: tuple[str, ...], method: str, path: str) -> None:
    by_command = Told.by_command(place.command(*argv))
    over_http = Told.over_http(place.server.request(method, f"/api/v1/runners/never{path}"))
    assert by_command == over_http
    assert by_command.code == "runner_not_found"
    assert "No runner is named 'never'" in by_command.message
    assert "list --all" in by_command.hint


@pytest.mark.parametrize("verb", ["remove", "stop", "start", "logs", "status"])
def test_a_name_that_cannot_be_one_is_never_looked_up_as_a_path(place: Place, verb: str) -> None:
    ran = place.command(verb, "../../etc")
    assert ran.status != 0
    assert ran.error["code"] in {"invalid_request", "runner_not_found"}
    assert sorted(path.name for path in (place.host.state_dir / "locks").iterdir()) == sorted(
        {f"{name}.lock" for name in ("never", "warm", "troubled", "fine", "theirs")}
        & {path.name for path in (place.host.state_dir / "locks").iterdir()}
    )


@pytest.mark.parametrize("kind", ["directory", "file", "symlink", "link to nowhere"])
def test_what_is_there_and_not_ours_is_refused_and_untouched(place: Place, kind: str, tmp_path: Path) -> None:
    theirs = place.host.base_dir / "theirs"
    (tmp_path / "precious").write_text("data")
    {
        "directory": lambda: tmp_path.rename(theirs),
        "file": lambda: theirs.write_text("data"),
        "symlink": lambda: theirs.symlink_to(tmp_path),
        "link to nowhere": lambda: theirs.symlink_to("nowhere"),
    }[kind]()
    before = theirs.lstat()
    try:
        by_command, over_http = place.refusals(Ask(name="theirs"))
        assert by_command == over_http
        assert by_command.code == "runner_exists"
        assert "not ours" in by_command.message
        assert "Choose another name" in by_command.hint
        now = theirs.lstat()
        assert (now.st_ino, now.st_mode, now.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
        assert kind not in {"directory", "symlink"} or (theirs / "precious").read_text() == "data"
        assert place.left() == {**NOTHING, "roots": ["theirs"]}
    finally:
        theirs.rename(tmp_path) if kind == "directory" else theirs.unlink()


# --- What GitHub refuses, or does not answer ---


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.id)
def test_trouble_with_github_is_told_alike_and_leaves_nothing(place: Place, trouble: Trouble) -> None:
    told = []
    for ask in (lambda: Told.by_command(place.command(*trouble.ask.argv())), lambda: Told.over_http(place.post(trouble.ask))):
        for fault in trouble.faults:
            place.sandbox.add_fault(fault)
        told.append(ask())
        place.sandbox.clear_faults()
        assert place.left() == NOTHING
    by_command, over_http = told
    assert (by_command.code, by_command.message, by_command.hint) == (
        over_http.code,
        over_http.message,
        over_http.hint,
    )
    assert by_command.code == trouble.code
    assert trouble.says in by_command.message
    assert trouble.hint in by_command.hint
    assert trouble.not_says not in by_command.message + by_command.hint
    assert len(by_command.message) < 600
    if trouble.retry_after is not None:
        # What GitHub names as a time of day is a second more or less by the time it is read.
        assert over_http.retry_after == pytest.approx(trouble.retry_after, abs=2)
        assert math.ceil(by_command.retry_after or 0) == pytest.approx(trouble.retry_after, abs=2)


def test_an_app_id_that_github_does_not_know_is_named(place: Place) -> None:
    told = Told.by_command(place.command(*Ask(name="troubled", repo="acme/other").argv(), **{APP: "999999"}))
    assert told.code == "github_credentials"
    assert "App" in told.message
    assert APP in told.hint
    assert place.left() == NOTHING


def test_a_key_of_another_app_is_named(place: Place) -> None:
    told = Told.by_command(
        place.command(*Ask(name="troubled").argv(), **{KEY_B64: another_key(), "RUNNERCTL_STATE_DIR": ""}, **_fresh(place))
    )
    assert told.code == "github_credentials"
    assert "refused the App's signature" in told.message
    assert "private key belongs to the App" in told.hint
    assert place.left() == NOTHING
