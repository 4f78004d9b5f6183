"""Bad input and a GitHub that fails: refused alike by both front ends, and nothing is left.

One host with one server takes all the cases that leave nothing behind: whatever one of them left, it would tell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from runnerctl.core.domain.states import RunnerState
from runnerctl.core.host import processes
from runnerctl.sandbox import Fault, Sandbox
from tests.support.front_ends.cli_running import Ran
from tests.support.front_ends.refusal_cases import (
    APP,
    BAD_ASKS,
    JIT,
    KEY_B64,
    LIST,
    REPO,
    TROUBLES,
    Ask,
    BadAsk,
    Trouble,
    always,
    another_key,
)
from tests.support.front_ends.refusing import (
    NOTHING,
    TIMEOUT,
    Place,
    Told,
    created_by_command,
    created_over_http,
    finish_orphans,
    opened,
    tidy,
    warm_place,
)
from tests.support.hosts.host import Host, until


@pytest.fixture(scope="module")
def shared(archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with warm_place(tmp_path_factory.mktemp("shared"), package_dir=package_dir, archive=archive) as place:
        yield place


@pytest.fixture
def place(shared: Place) -> Iterator[Place]:
    yield shared
    tidy(shared)


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
        (("restart", "never"), "POST", "/restart"),
        (("logs", "never"), "GET", "/logs"),
        (("status", "never"), "GET", ""),
    ],
)
def test_a_name_never_known_is_not_found(place: Place, argv: tuple[str, ...], method: str, path: str) -> None:
    by_command = Told.by_command(place.command(*argv))
    over_http = Told.over_http(place.server.request(method, f"/api/v1/runners/never{path}"))
    assert replace(by_command, hint="") == replace(over_http, hint="")
    assert by_command.code == "runner_not_found"
    assert "No runner is named 'never'" in by_command.message
    assert "`runnerctl list --all`" in by_command.hint
    assert "GET /api/v1/runners?all=true" in over_http.hint


@pytest.mark.parametrize("verb", ["remove", "stop", "start", "restart", "logs", "status"])
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
        assert "was not created by runnerctl" in by_command.message
        assert "Choose another name" in by_command.hint
        now = theirs.lstat()
        assert (now.st_ino, now.st_mode, now.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
        assert kind not in {"directory", "symlink"} or (theirs / "precious").read_text() == "data"
        assert place.left() == {**NOTHING, "roots": ["theirs"]}
    finally:
        theirs.rename(tmp_path) if kind == "directory" else theirs.unlink()


# --- What GitHub refuses, or does not answer ---


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(each, id=each.id, marks=[pytest.mark.persistent] * (each.ask.ephemeral is False))
        for each in TROUBLES
    ],
)
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
        # Each speaks its own words.
        over_http.hint.replace("GET /api/v1/runners/troubled/logs", "`runnerctl logs troubled`"),
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
        assert replace(by_command, hint="") == replace(over_http, hint="")
        assert "or --replace: that deletes GitHub's runner" in by_command.hint
        assert "or 'replace': true: that deletes GitHub's runner" in over_http.hint
        assert by_command.code == "runner_exists"
        assert "GitHub already has a runner named 'theirs' in acme/widgets" in by_command.message
        assert [runner.id for runner in place.sandbox.runners()] == [theirs]
        assert place.left() == {**NOTHING, "registrations": ["theirs"]}
    finally:
        place.sandbox.delete_runner(theirs)


@pytest.mark.persistent
def test_a_persistent_runner_of_somebody_else_is_not_touched(place: Place) -> None:
    theirs = place.sandbox.add_runner(REPO, "theirs", labels=["self-hosted", "linux", "theirs"])
    try:
        by_command, over_http = place.refusals(Ask(name="theirs", labels="self-hosted,linux", ephemeral=False))
        assert replace(by_command, hint="") == replace(over_http, hint="")
        assert by_command.code == "runner_exists"
        assert [runner.id for runner in place.sandbox.runners()] == [theirs]
        assert place.left() == {**NOTHING, "registrations": ["theirs"]}
    finally:
        place.sandbox.delete_runner(theirs)


# --- An answer that was lost ---


FRONTS = pytest.mark.parametrize("create_by", [created_by_command, created_over_http])
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
    github_id = created_over_http(place, Ask(name="lost"))
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
    github_id = created_over_http(place, Ask(name="lost"))
    finish_orphans(place.services)
    assert [runner.id for runner in place.sandbox.runners()] == [github_id]
    place.sandbox.clear_faults()
    assert place.server.remove("lost", "?force=true").status_code == 200
    finish_orphans(place.services)
    assert place.left() == NOTHING


@pytest.mark.parametrize("ephemeral", [True, pytest.param(False, marks=pytest.mark.persistent)])
def test_what_our_previous_life_left_at_github_does_not_stand_in_the_way(own: Place, ephemeral: bool) -> None:
    created_over_http(own, Ask(name="again", ephemeral=ephemeral))
    own.sandbox.wait_runner("again", timeout=10)
    assert own.command("stop", "again").status == 0
    own.sandbox.stop()
    assert own.command("remove", "again", "--force").status == 0
    own.sandbox.start()
    assert [(runner.name, runner.status) for runner in own.sandbox.runners()] == [("again", "offline")]
    github_id = created_by_command(own, Ask(name="again", ephemeral=ephemeral))
    assert [runner.id for runner in own.sandbox.runners()] == [github_id]
    finish_orphans(own.services)
    assert [runner.id for runner in own.sandbox.runners()] == [github_id]
    assert own.server.remove("again").status_code == 200
    assert own.left() == NOTHING


# --- Removing what must not be removed, or cannot be now ---


def test_a_runner_of_another_repository_is_not_removed(place: Place) -> None:
    created_over_http(place, Ask(name="mine"))
    told = Told.over_http(place.server.request("DELETE", "/api/v1/runners/mine", {"repo": "acme/other"}))
    assert told.code == "scope_mismatch"
    assert "'mine' belongs to acme/widgets, not to acme/other" in told.message
    assert place.server.status("mine")["status"] == "running"
    assert place.server.request("DELETE", "/api/v1/runners/mine", {"repo": "ACME/Widgets"}).status_code == 200
    assert place.left() == NOTHING


def test_a_busy_runner_is_not_removed_by_either(place: Place, tmp_path: Path) -> None:
    created_over_http(place, Ask(name="busy"))
    go = tmp_path / "go"
    job = place.sandbox.submit_job(REPO, ["busy"], [{"run": f"while [ ! -e {go} ]; do sleep 0.02; done"}])
    until(lambda: place.server.status("busy")["phase"] == "busy")
    by_command = Told.by_command(place.command("remove", "busy"))
    over_http = Told.over_http(place.server.remove("busy"))
    assert (by_command.code, by_command.message) == (over_http.code, over_http.message)
    assert by_command.code == "runner_busy"
    assert "is running a job" in by_command.message
    assert "--drain" in by_command.hint
    assert "?drain=true" in over_http.hint
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


@pytest.mark.persistent
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


@pytest.mark.persistent
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
