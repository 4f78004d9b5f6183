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
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
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
from tests.host import Host, Server, until
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
    """Healthy before and after each case: one that fails must not make the others fail."""
    yield shared
    tidy(shared)


def finish_orphans(services: Services) -> int:
    """All of them, due or not; how many are left."""
    left = 0
    for orphan in services.store.orphans():
        left = core.finish_orphans(services, only=orphan.runner_id)
    return left


def tidy(place: Place) -> None:
    place.sandbox.clear_faults()
    for runner in place.services.store.live():
        place.server.remove(runner.name, "?force=true")
    finish_orphans(place.services)
    for left in place.sandbox.runners():
        place.sandbox.delete_runner(left.id)


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
def test_a_name_that_cannot_be_one_is_never_taken_for_a_path(place: Place, verb: str) -> None:
    told = Told.by_command(place.command(verb, "../escaped"))
    assert told.code == "invalid_request"
    assert "'../escaped' is not allowed" in told.message
    assert list(place.host.top.rglob("*escaped*")) == []


@pytest.mark.parametrize("kind", ["directory", "file", "symlink", "link to nowhere"])
def test_what_is_there_and_not_ours_is_refused_and_untouched(place: Place, kind: str, tmp_path: Path) -> None:
    theirs = place.host.base_dir / "theirs"
    (tmp_path / "precious").write_text("data")
    match kind:
        case "directory":
            tmp_path.rename(theirs)
        case "file":
            theirs.write_text("data")
        case _:
            theirs.symlink_to(tmp_path if kind == "symlink" else "nowhere")
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
    asking = place.refusals(trouble.ask)
    for _ in ("by command", "over HTTP"):
        for fault in trouble.faults:
            place.sandbox.add_fault(fault)
        told.append(next(asking))
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


def test_a_key_of_another_app_is_named(place: Place, tmp_path: Path) -> None:
    no_token = {"RUNNERCTL_STATE_DIR": str(tmp_path / "state")}
    told = Told.by_command(place.command(*Ask(name="troubled").argv(), **{KEY_B64: another_key()}, **no_token))
    assert told.code == "github_credentials"
    assert "refused the App's signature" in told.message
    assert "private key belongs to the App" in told.hint
    assert place.left() == NOTHING


def test_a_github_that_is_not_there_is_told_and_leaves_nothing(place: Place) -> None:
    place.sandbox.stop()
    try:
        by_command, over_http = place.refusals(Ask(name="troubled"))
    finally:
        place.sandbox.start()
    assert (by_command.code, by_command.message) == (over_http.code, over_http.message)
    assert by_command.code == "github_unavailable"
    assert "Connection refused" in by_command.message
    assert "GITHUB_API_URL" in by_command.hint
    assert place.left() == NOTHING


@pytest.mark.parametrize("label", ["same", "other"])
def test_the_runner_of_somebody_else_is_not_touched(place: Place, label: str) -> None:
    """Even if it looks exactly like ours and never connected."""
    labels = ["self-hosted", "linux", "theirs"] if label == "same" else ["gpu"]
    theirs = place.sandbox.add_runner(REPO, "theirs", labels=labels, ephemeral=True)
    try:
        by_command, over_http = place.refusals(Ask(name="theirs", labels="self-hosted,linux"))
        assert by_command == over_http
        assert by_command.code == "runner_exists"
        assert "GitHub has a runner named 'theirs' in acme/widgets already" in by_command.message
        assert [runner.id for runner in place.sandbox.runners()] == [theirs]
        assert place.left() == {**NOTHING, "registrations": ["theirs"]}
    finally:
        place.sandbox.delete_runner(theirs)


def test_a_persistent_runner_of_somebody_else_is_not_touched(place: Place) -> None:
    theirs = place.sandbox.add_runner(REPO, "theirs", labels=["self-hosted", "linux", "theirs"])
    try:
        by_command, over_http = place.refusals(Ask(name="theirs", labels="self-hosted,linux", ephemeral=False))
        assert by_command == over_http
        assert by_command.code == "runner_exists"
        assert [runner.id for runner in place.sandbox.runners()] == [theirs]
        assert place.left() == {**NOTHING, "registrations": ["theirs"]}
    finally:
        place.sandbox.delete_runner(theirs)


# --- An answer that was lost ---


def _created_by_command(place: Place, ask: Ask) -> int:
    ran = place.command(*ask.argv())
    assert ran.status == 0, ran.stdout
    return int(ran.document["github_id"])


def _created_over_http(place: Place, ask: Ask) -> int:
    answer = place.post(ask)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["github_id"])


FRONTS = pytest.mark.parametrize("create_by", [_created_by_command, _created_over_http])
Create = Callable[[Place, Ask], int]


@FRONTS
@pytest.mark.parametrize(
    "fault",
    [
        Fault(match=JIT, lost_answer=True),
        Fault(match=JIT, delay=3.0),
        Fault(match=JIT, drop=True),
        Fault(match=JIT, status=502),
        Fault(match=JIT, status=401),
    ],
    ids=["lost", "late", "dropped", "failed", "token revoked"],
)
def test_an_answer_lost_once_costs_a_look_and_not_the_runner(place: Place, create_by: Create, fault: Fault) -> None:
    place.sandbox.add_fault(fault)
    github_id = create_by(place, Ask(name="lucky"))
    assert [runner.id for runner in place.sandbox.runners()] == [github_id]
    place.sandbox.wait_runner("lucky", timeout=10)
    assert place.server.remove("lucky").status_code == 200
    assert place.left() == NOTHING


def _nothing_listed(times: int) -> list[Fault]:
    """GitHub's list may lag behind its registrations."""
    return [Fault(match=LIST, status=200, body={"total_count": 0, "runners": []}, times=times)]


UNSEEN = [
    pytest.param([Fault(match=JIT, lost_answer=True), always(LIST, status=200, body="<p>")], id="page for the list"),
    pytest.param([Fault(match=JIT, lost_answer=True), always(LIST, status=403)], id="403 for the list"),
    pytest.param([Fault(match=JIT, lost_answer=True), always(LIST, rate_limit="primary")], id="rate limit"),
    pytest.param([Fault(match=JIT, lost_answer=True), *_nothing_listed(1)], id="list that lags behind"),
]


@pytest.mark.parametrize("faults", UNSEEN)
def test_a_registration_that_cannot_be_looked_for_is_never_forgotten(place: Place, faults: list[Fault]) -> None:
    """It is deleted at once or remembered as a task; the next create of that name finds its way past it."""
    for fault in faults:
        place.sandbox.add_fault(fault)
    refused = Told.by_command(place.command(*Ask(name="lost").argv()))
    place.sandbox.clear_faults()
    left = place.left()
    assert refused.code == "github_unavailable"
    assert {**left, "orphans": [], "registrations": []} == NOTHING
    assert bool(left["registrations"]) == bool(left["orphans"])
    github_id = _created_over_http(place, Ask(name="lost"))
    assert [runner.id for runner in place.sandbox.runners()] == [github_id]
    assert finish_orphans(place.services) == 0
    assert [runner.id for runner in place.sandbox.runners()] == [github_id]
    assert place.server.remove("lost").status_code == 200
    assert place.left() == NOTHING


def test_an_orphan_is_cleared_when_github_is_back(place: Place) -> None:
    for fault in (Fault(match=JIT, lost_answer=True), always(LIST, status=403)):
        place.sandbox.add_fault(fault)
    assert Told.over_http(place.post(Ask(name="lost"))).code == "github_unavailable"
    assert [runner.name for runner in place.sandbox.runners()] == ["lost"]
    place.sandbox.clear_faults()
    assert finish_orphans(place.services) == 0
    assert place.left() == NOTHING


def test_an_orphan_task_never_takes_the_registration_of_a_later_life(place: Place) -> None:
    """That one looks the same, as long as its runner has not connected."""
    for fault in (Fault(match=JIT, drop=True), always(LIST, status=403)):
        place.sandbox.add_fault(fault)
    assert place.post(Ask(name="lost")).status_code == 502
    place.sandbox.clear_faults()
    place.sandbox.add_fault(always("POST .*/session", delay=20))
    github_id = _created_over_http(place, Ask(name="lost"))
    finish_orphans(place.services)
    assert [runner.id for runner in place.sandbox.runners()] == [github_id]
    place.sandbox.clear_faults()
    assert place.server.remove("lost", "?force=true").status_code == 200
    finish_orphans(place.services)
    assert place.left() == NOTHING


@pytest.mark.parametrize("ephemeral", [True, False])
def test_what_our_previous_life_left_at_github_does_not_stand_in_the_way(own: Place, ephemeral: bool) -> None:
    _created_over_http(own, Ask(name="again", ephemeral=ephemeral))
    own.sandbox.wait_runner("again", timeout=10)
    assert own.command("stop", "again").status == 0
    own.sandbox.stop()
    assert own.command("remove", "again", "--force").status == 0
    own.sandbox.start()
    assert [(runner.name, runner.status) for runner in own.sandbox.runners()] == [("again", "offline")]
    github_id = _created_by_command(own, Ask(name="again", ephemeral=ephemeral))
    assert [runner.id for runner in own.sandbox.runners()] == [github_id]
    finish_orphans(own.services)
    assert [runner.id for runner in own.sandbox.runners()] == [github_id]
    assert own.server.remove("again").status_code == 200
    assert own.left() == NOTHING


# --- Removing what must not be removed, or cannot be now ---


def test_a_runner_of_another_repository_is_not_removed(place: Place) -> None:
    _created_over_http(place, Ask(name="mine"))
    told = Told.over_http(place.server.request("DELETE", "/api/v1/runners/mine", {"repo": "acme/other"}))
    assert told.code == "scope_mismatch"
    assert "'mine' belongs to acme/widgets, not to acme/other" in told.message
    assert place.server.status("mine")["status"] == "running"
    assert place.server.request("DELETE", "/api/v1/runners/mine", {"repo": "ACME/Widgets"}).status_code == 200
    assert place.left() == NOTHING


def test_a_busy_runner_is_not_removed_by_either(place: Place, tmp_path: Path) -> None:
    _created_over_http(place, Ask(name="busy"))
    go = tmp_path / "go"
    job = place.sandbox.submit_job(REPO, ["busy"], [{"run": f"while [ ! -e {go} ]; do sleep 0.02; done"}])
    until(lambda: place.server.status("busy")["phase"] == "busy")
    by_command = Told.by_command(place.command("remove", "busy"))
    over_http = Told.over_http(place.server.remove("busy"))
    assert (by_command.code, by_command.message, by_command.hint) == (
        over_http.code,
        over_http.message,
        over_http.hint,
    )
    assert by_command.code == "runner_busy"
    assert "is running a job" in by_command.message
    assert "--drain" in by_command.hint
    go.touch()
    assert place.sandbox.wait_job(job, timeout=20).conclusion == "success"
    until(lambda: place.left() == NOTHING)


TWO = ("one", "two")
"""The first is removed by the command line, the second over HTTP, at the same time."""


def _two_steady_runners(place: Place) -> list[int]:
    """Their pids."""
    pids = [place.post(Ask(name=name, ephemeral=False)).json()["pid"] for name in TWO]
    for name in TWO:
        place.sandbox.wait_runner(name, timeout=10)
    return pids


def _removed_by_both(place: Place, *, force: bool = False) -> tuple[Ran, requests.Response]:
    with ThreadPoolExecutor(1) as pool:
        over_http = pool.submit(place.server.remove, TWO[1], "?force=true" if force else "")
        by_command = place.command("remove", TWO[0], *(["--force"] if force else []))
        return by_command, over_http.result(timeout=30)


def test_without_github_a_removal_leaves_the_runner_alone_and_is_finished_later(own: Place) -> None:
    pids = _two_steady_runners(own)
    own.sandbox.stop()
    ran, answer = _removed_by_both(own)
    for told in (Told.by_command(ran), Told.over_http(answer)):
        assert told.code == "github_unavailable"
        assert "cannot be reached" in told.message
        assert "GITHUB_API_URL" in told.hint
    assert [processes.comm(pid) for pid in pids] == ["Runner.Listener"] * 2
    rows = own.services.store.live()
    assert [(row.name, row.state) for row in rows] == [(name, RunnerState.REMOVING) for name in TWO]
    assert sorted(orphan.name for orphan in own.services.store.orphans()) == list(TWO)
    assert own.host.roots() == list(TWO)
    own.sandbox.start()
    ran, answer = _removed_by_both(own)
    assert (ran.status, answer.status_code) == (0, 200), (ran.stdout, answer.text)
    assert own.left() == NOTHING


def test_without_github_force_removes_here_and_remembers_the_rest(own: Place) -> None:
    _two_steady_runners(own)
    own.sandbox.stop()
    ran, answer = _removed_by_both(own, force=True)
    assert (ran.status, answer.status_code) == (0, 200), (ran.stdout, answer.text)
    left = own.left()
    assert sorted(name for name, _ in left["orphans"]) == list(TWO)
    assert {**left, "orphans": [], "registrations": []} == NOTHING
    own.sandbox.start()
    assert finish_orphans(own.services) == 0
    assert own.left() == NOTHING


# --- Settings that cannot be used ---


@pytest.mark.parametrize("bad", BAD_KEYS, ids=lambda bad: bad.id)
def test_credentials_that_cannot_be_used_are_named_everywhere_alike(place: Place, tmp_path: Path, bad: BadKey) -> None:
    variables = {**place.host.variables(), "RUNNERCTL_ENV_FILE": "", "RUNNERCTL_STATE_DIR": str(tmp_path / "state")}
    variables |= bad.variables()
    calls = len(place.sandbox.calls)
    created = Told.by_command(place.command(*Ask(name="a").argv(), **variables))
    assert created.code == "config_invalid"
    assert bad.says in created.message
    assert bad.hint in created.hint
    assert Told.by_command(place.command("config", "validate", **variables)) == created
    if bad.serve:
        assert Told.by_command(place.host.cli("--output", "json", "serve", **variables)) == created
    assert len(place.sandbox.calls) == calls
    assert place.left() == NOTHING


@pytest.mark.parametrize(
    ("changes", "says", "hint"),
    [
        ({"GITHUB_WFA_RUNNER_SERVER__API_TOKEN": ""}, "No API token is set", "openssl rand"),
        ({"GITHUB_WFA_RUNNER_SERVER__API_TOKEN": "two words"}, "API token", "openssl rand"),
        ({"GITHUB_WFA_RUNNER_SERVER__API_TOKEN_FILE": "/nowhere"}, "both set", "exactly one"),
        ({"GITHUB_WFA_RUNNER_SERVER__BIND": "TAKEN"}, "Address already in use", "Another process listens there"),
        ({"GITHUB_WFA_RUNNER_SERVER__BIND": "localhost"}, "'localhost' cannot be used", "HOST:PORT"),
        ({"GITHUB_WFA_RUNNER_SERVER__BIND": "192.0.2.1:0"}, "Cannot assign requested address", "another"),
        ({"GITHUB_WFA_RUNNER_SERVER__BIND": "unix:/nowhere/socket"}, "No such file", "another"),
    ],
)
def test_a_server_that_cannot_start_says_why(
    place: Place, tmp_path: Path, changes: dict[str, str], says: str, hint: str
) -> None:
    taken = place.server.url.removeprefix("http://")
    variables = {**place.host.variables(), "RUNNERCTL_ENV_FILE": "", "RUNNERCTL_STATE_DIR": str(tmp_path / "state")}
    variables |= {name: taken if text == "TAKEN" else text for name, text in changes.items()}
    told = Told.by_command(place.host.cli("--output", "json", "serve", **variables))
    assert told.code == "config_invalid"
    assert says in told.message
    assert hint in told.hint
    assert place.left() == NOTHING


# --- Packages that must not be unpacked ---


@pytest.fixture(scope="module")
def packing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place with a package store of its own, and a GitHub that publishes what it is told to."""
    top = tmp_path_factory.mktemp("packing")
    with (
        Sandbox(archive=build_archive(top / "first.tar.gz", version="2.336.0")) as sandbox,
        opened(make_host(top, top / "packages", sandbox), sandbox) as place,
    ):
        yield place


@pytest.mark.parametrize("bad", BAD_PACKAGES, ids=lambda bad: bad.id)
def test_a_package_that_cannot_be_trusted_is_refused_and_not_kept(
    packing: Place, bad: BadPackage, tmp_path: Path
) -> None:
    packing.sandbox.add_release(bad.version, bad.build(tmp_path / "archive", bad.version))
    for fault in bad.faults:
        packing.sandbox.add_fault(fault)
    by_command, over_http = packing.refusals(Ask(name="packed", version=bad.version))
    packing.sandbox.clear_faults()
    assert (by_command.code, by_command.message, by_command.hint) == (
        over_http.code,
        over_http.message,
        over_http.hint,
    )
    assert by_command.code == bad.code
    assert bad.says in by_command.message
    _nothing_is_kept_in(packing.host.package_dir)
    assert not (packing.host.top / "escaped").exists()
    assert packing.left() == NOTHING


def _nothing_is_kept_in(store: Path) -> None:
    assert [path.name for path in store.iterdir() if path.name not in {".locks", ".partial"}] == []
    assert list((store / ".partial").iterdir()) == []


def test_a_package_that_was_altered_on_the_way_is_refused(packing: Place, tmp_path: Path) -> None:
    published = build_archive(tmp_path / "archive", version="9.2.0")
    packing.sandbox.add_release("9.2.0", published)
    with published.open("ab") as file:
        file.write(b"one byte too many")
    by_command, over_http = packing.refusals(Ask(name="packed", version="9.2.0"))
    assert by_command == over_http
    assert by_command.code == "package_invalid"
    assert "has another checksum than GitHub says" in by_command.message
    _nothing_is_kept_in(packing.host.package_dir)
    assert packing.left() == NOTHING


def test_a_version_that_github_does_not_have_is_refused(packing: Place) -> None:
    by_command, over_http = packing.refusals(Ask(name="packed", version="1.2.3"))
    assert by_command == over_http
    assert by_command.code == "package_invalid"
    assert "GitHub has no runner 1.2.3" in by_command.message
    assert "latest" in by_command.hint
    assert packing.left() == NOTHING


# --- Directories that cannot be used ---


@contextmanager
def tmpfs(path: Path, options: str) -> Iterator[None]:
    """A small disk, or one that cannot be written; gone afterwards, whatever happened on it."""
    path.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip(NEEDS_ROOT)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"{NEEDS_ROOT} that may mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(directory: Path, *, but_pages: int = 0) -> None:
    """Takes the disk's space, but for so many pages of 4 KiB."""
    ballast = directory / ".ballast"
    ballast.unlink(missing_ok=True)
    disk = os.statvfs(directory)
    with ballast.open("wb") as file:
        file.write(b"\0" * ((disk.f_bavail - but_pages) * disk.f_bsize))


@dataclass(frozen=True, kw_only=True)
class Moved(Host):
    """A host with some of its directories elsewhere."""

    moved: Mapping[str, Path]

    @classmethod
    def at(cls, top: Path, sandbox: Sandbox, moved: Mapping[str, Path]) -> Moved:
        host = cls(
            top=top,
            package_dir=moved.get("package_dir", top / "packages"),
            github=sandbox.environment(),
            token=secrets.token_hex(16),
            moved=moved,
        )
        host.write_env_file(RUNNERCTL_GITHUB_TIMEOUT=TIMEOUT)
        return host

    @property
    def state_dir(self) -> Path:
        return self.moved.get("state_dir", self.top / "state")

    @property
    def base_dir(self) -> Path:
        return self.moved.get("base_dir", self.top / "runners")


@pytest.fixture
def elsewhere(tmp_path: Path, sandbox: Sandbox) -> Callable[..., Any]:
    """Opens a place with some of its directories where the test says."""

    def make(**moved: Path) -> Any:
        return opened(Moved.at(tmp_path, sandbox, moved), sandbox)

    return make


UNUSABLE = [
    pytest.param("base_dir", "below a file", "is not a directory", id="runners below a file"),
    pytest.param("base_dir", "read-only", "cannot write", id="runners on a read-only disk"),
    pytest.param("package_dir", "below a file", "is not a directory", id="packages below a file"),
    pytest.param("package_dir", "read-only", "cannot write", id="packages on a read-only disk"),
]


@pytest.mark.parametrize(("which", "how", "says"), UNUSABLE)
def test_a_directory_that_cannot_be_used_is_named(
    elsewhere: Callable[..., Any], tmp_path: Path, which: str, how: str, says: str
) -> None:
    disk = tmp_path / "disk"
    with tmpfs(disk, "size=64k,ro") if how == "read-only" else nullcontext():
        if how == "below a file":
            disk.write_text("a file")
        with elsewhere(**{which: disk / "there"}) as place:
            by_command, over_http = place.refusals(Ask(name="homeless"))
            assert by_command == over_http
            assert by_command.code == "config_invalid"
            assert says in by_command.message
            assert str(disk) in by_command.message
            assert place.left() == NOTHING


def test_a_disk_too_small_for_the_package_is_said_and_nothing_stays(
    elsewhere: Callable[..., Any], tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    with tmpfs(disk, "size=64k"), elsewhere(base_dir=disk, package_dir=disk / ".packages") as place:
        by_command, over_http = place.refusals(Ask(name="homeless"))
        assert (by_command.code, over_http.code) == ("disk_full", "disk_full")
        assert "No space is left" in by_command.message
        assert "Free space" in by_command.hint
        _nothing_is_kept_in(disk / ".packages")
        assert place.left() == NOTHING


def test_wherever_the_disk_of_the_runners_gets_full_nothing_stays(
    elsewhere: Callable[..., Any], tmp_path: Path
) -> None:
    """Page by page: while the root is built, and after the registration, when its identity is written."""
    disk = tmp_path / "disk"
    with tmpfs(disk, "size=4m"), elsewhere(base_dir=disk, package_dir=disk / ".packages") as place:
        assert place.post(Ask(name="homeless")).status_code == 201
        assert place.server.remove("homeless", "?force=true").status_code == 200
        for pages in range(30):
            fill(disk, but_pages=pages)
            ran = place.command(*Ask(name="homeless").argv())
            if ran.status == 0:
                assert pages > 2
                assert place.server.remove("homeless", "?force=true").status_code == 200
                break
            assert Told.by_command(ran).code == "disk_full"
            if pages % 4 == 0:
                assert Told.over_http(place.post(Ask(name="homeless"))).code == "disk_full"
            assert {**place.left(), "roots": []} == NOTHING
            assert [name for name in place.host.roots() if name != ".ballast"] == []
        else:
            pytest.fail("there was never enough space")


def test_a_full_disk_of_the_state_is_said_and_nothing_stays(elsewhere: Callable[..., Any], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with tmpfs(disk, "size=1m,mode=700"), elsewhere(state_dir=disk) as place:
        assert place.post(Ask(name="homeless")).status_code == 201
        assert place.server.remove("homeless", "?force=true").status_code == 200
        for pages in range(4):
            fill(disk, but_pages=pages)
            by_command, over_http = place.refusals(Ask(name="homeless"))
            assert (by_command.code, over_http.code) == ("disk_full", "disk_full")
            assert "No space is left" in by_command.message
            assert place.left() == NOTHING


# --- Other users ---

_AS_NOBODY = """
import os, sys
from runnerctl.cli import create, failures, main, config, checks, render
from runnerctl.core import credentials, instance, services, settings, settings_files, state_directory, store
from runnerctl.core.github import auth, client, config
import runnerctl.core.lifecycle.create, runnerctl.core.packages, encodings.idna, difflib, dotenv.main
import cryptography.hazmat.primitives.serialization, cryptography.hazmat.primitives.asymmetric.rsa
os.setgroups([])
os.setresgid({nobody}, {nobody}, {nobody})
os.setresuid({nobody}, {nobody}, {nobody})
sys.exit(main.run(sys.argv[1:]))
"""


@pytest.fixture
def public(as_root: None) -> Iterator[Path]:
    """A directory that every user may pass, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def as_nobody(host: Host, *argv: str) -> Told:
    """By another user. What it needs is imported before, as root's interpreter may be closed to others."""
    code = _AS_NOBODY.format(nobody=NOBODY)
    variables = {**host.variables(), "RUNNERCTL_ENV_FILE": ""}
    return Told.by_command(
        subprocess.run(
            [sys.executable, "-c", code, "--output", "json", *argv],
            env={**host.environment(), **variables},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    )


def test_a_directory_that_our_user_cannot_write_is_named_with_user_and_mode(public: Path, sandbox: Sandbox) -> None:
    host = make_host(public, public / "packages", sandbox)
    host.base_dir.mkdir(mode=0o755)
    host.state_dir.mkdir(mode=0o700)
    os.chown(host.state_dir, NOBODY, NOBODY)
    told = [as_nobody(host, *Ask(name="a").argv()), as_nobody(host, "config", "validate")]
    for each in told:
        assert each.code == "config_invalid"
        assert str(host.base_dir) in each.message
        assert "0755" in each.message
        assert "Choose another directory" in each.hint or "name another one" in each.hint
    assert "'nobody'" in told[0].message
    assert list(host.base_dir.iterdir()) == []
    assert sandbox.runners() == []


def test_the_state_of_another_user_is_refused_and_points_to_the_server(public: Path, sandbox: Sandbox) -> None:
    host = make_host(public, public / "packages", sandbox)
    host.state_dir.mkdir(mode=0o700)
    told = as_nobody(host, *Ask(name="a").argv())
    assert told.code == "config_invalid"
    assert "belongs to user root, not to nobody" in told.message
    assert "ask the server" in told.hint
    assert list(host.state_dir.iterdir()) == []


def test_the_state_of_a_user_that_does_not_exist_is_refused(place: Place, public: Path) -> None:
    os.chown(public, 54321, 54321)
    changes = {"RUNNERCTL_STATE_DIR": str(public)}
    told = [
        Told.by_command(place.host.cli("--output", "json", *argv, **changes))
        for argv in (Ask(name="a").argv(), ["serve"])
    ]
    assert told[0] == told[1]
    assert told[0].code == "config_invalid"
    assert "belongs to uid 54321, which is no user here" in told[0].message
    assert list(public.iterdir()) == []
