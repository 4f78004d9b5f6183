"""Limits of a host: how many runners, how much disk; kept however many creates come at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest

from runnerctl.core.domain import sizes
from runnerctl.core.domain.errors import ConfigInvalid, DiskFull, InvalidRequest, QuotaExceeded
from runnerctl.core.domain.states import RunnerState as S
from runnerctl.core.services import Services
from runnerctl.core.settings import load as settings
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server, create, remove
from tests.support.hosts.refused import fill, tmpfs
from tests.support.hosts.stores import opened, spec

MOST = 5
MANY = 20


def given_live(services: Services, host: Host, *names: str) -> None:
    for name in names:
        services.store.admit(host.spec(name), root=services.root(name))


# --- How many ---


def test_twenty_creates_at_once_stay_within_the_limit(host: Host, sandbox: Sandbox) -> None:
    """By two managers of one host, as a command line and a server are."""
    managers = [host.services(RUNNERCTL_MAX_RUNNERS=str(MOST)) for _ in range(2)]

    def attempt(number: int) -> str | None:
        try:
            create(managers[number % 2], host.spec(f"r{number}"))
        except QuotaExceeded as exc:
            return exc.message
        return None

    with ThreadPoolExecutor(MANY) as pool:
        outcomes = list(pool.map(attempt, range(MANY)))
    assert outcomes.count(None) == MOST
    assert {outcome for outcome in outcomes if outcome} == {"This host has 5 runners, and max_runners allows 5"}
    assert len(managers[0].store.live()) == MOST
    assert len(sandbox.runners()) == MOST
    assert len(host.roots()) == MOST
    for manager in managers:
        manager.close()


def test_a_refused_runner_is_refused_alike_on_both_sides(host: Host, serve: Callable[..., Server]) -> None:
    host.write_env_file(RUNNERCTL_MAX_RUNNERS="1")
    services = host.services()
    server = serve()
    create(services, host.spec("first"))
    answer = server.create("second")
    assert (answer.status_code, answer.json()["code"]) == (409, "quota_exceeded")
    ran = host.cli("--output", "json", "create", "second", "--repo", "acme/widgets")
    assert ran.returncode == 6
    assert f'"message": "{answer.json()["detail"]}"' in ran.stdout
    assert services.store.latest("second") is None
    remove(services, "first")
    assert server.create("second").status_code == 201
    services.close()


def test_what_ended_does_not_count(services: Services, host: Host) -> None:
    given_live(services, host, "lives", "ended")
    ended = services.store.latest("ended")
    assert ended is not None
    services.store.transition(ended, S.REMOVING, S.REMOVED)
    services.store.admit(host.spec("fits"), root=services.root("fits"), most=2)
    with pytest.raises(QuotaExceeded):
        services.store.admit(host.spec("one-too-many"), root=services.root("x"), most=2)


def test_without_a_limit_there_is_none(services: Services, host: Host) -> None:
    assert services.settings.max_runners is None
    given_live(services, host, *(f"r{number}" for number in range(30)))
    assert len(services.store.live()) == 30


def test_a_name_in_use_is_said_before_the_limit(host: Host) -> None:
    services = host.services(RUNNERCTL_MAX_RUNNERS="1")
    create(services, host.spec("first"))
    with pytest.raises(Exception, match="'first' already exists"):
        create(services, host.spec("first"))
    services.close()


# --- How much disk ---


def test_too_little_free_space_refuses_before_anything_is_made(
    host: Host, sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    host.write_env_file(RUNNERCTL_MIN_FREE_SPACE="900T")
    answer = serve().create("one")
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    ran = host.cli("--output", "json", "create", "one", "--repo", "acme/widgets")
    assert ran.returncode == 8
    assert "less than min_free_space, 900T" in ran.stdout
    assert host.services().store.latest("one") is None
    assert host.roots() == []
    assert sandbox.calls == []


@pytest.mark.parametrize("which", ["RUNNERCTL_STATE_DIR", "RUNNERCTL_PACKAGE_DIR", "RUNNERCTL_BASE_DIR"])
def test_the_small_disk_is_named(host: Host, tmp_path: Path, which: str) -> None:
    with tmpfs(tmp_path / "disk", "size=1m,mode=700"):
        changes = {which: str(tmp_path / "disk" / "there"), "RUNNERCTL_MIN_FREE_SPACE": "2M"}
        if which == "RUNNERCTL_BASE_DIR":
            changes["GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR"] = ""
        services = host.services(**changes)
        with pytest.raises(DiskFull, match=f"free for '{tmp_path}/disk/there'"):
            create(services, host.spec("one"))
        services.close()


@pytest.mark.parametrize("room", [True, False])
def test_a_disk_that_a_job_has_filled_leaves_room_to_write_down_what_happens(tmp_path: Path, room: bool) -> None:
    def all_their_lives() -> None:
        for number in range(60):
            runner = store.admit(spec(f"r{number}"), root=Path("/x"))
            store.transition(runner, S.REGISTERED, S.STARTING, S.IDLE, S.BUSY)
            store.transition(store.get(runner.id) or runner, S.REMOVING, S.COMPLETED, ending=S.COMPLETED)

    with tmpfs(tmp_path / "disk", "size=12m,mode=700"):
        store = opened(tmp_path / "disk" / "runnerctl.db")
        if room:
            store.keep_room()
        fill(tmp_path / "disk")
        with nullcontext() if room else pytest.raises(DiskFull):
            all_their_lives()
        store.close()


# --- What is said of it ---


def test_status_tells_limits_and_sizes(host: Host) -> None:
    host.write_env_file(RUNNERCTL_MAX_RUNNERS="7", RUNNERCTL_MIN_FREE_SPACE="1M")
    assert host.cli("create", "one", "--repo", "acme/widgets").returncode == 0
    (host.base_dir / "one" / "_work").mkdir(exist_ok=True)
    (host.base_dir / "one" / "_work" / "big").write_bytes(b"x" * 300_000)
    overview = host.cli_json("status")
    assert overview["limits"] == {"max_runners": 7, "min_free_space": 1024**2}
    taken = overview["sizes"]
    assert taken["packages"] > 50_000
    assert 300_000 < taken["runners"] < 300_000 + taken["packages"]  # what is shared counts once
    assert taken["database"] > 4096
    assert taken["logs"] > 0
    header, line = (text.split("\t") for text in host.cli("status").stdout.splitlines())
    row = dict(zip(header, line, strict=True))
    assert row["LIMITS"] == "7 runners,1M free"
    assert row["SIZES"].startswith("packages ")


@pytest.mark.parametrize(
    ("text", "count", "shown"),
    [
        ("0", 0, "0"),
        ("500M", 500 * 1024**2, "500M"),
        ("2G", 2 * 1024**3, "2G"),
        ("1.5g", 3 * 512 * 1024**2, "1.5G"),
        ("10 KiB", 10240, "10K"),
        ("1023", 1023, "1023"),
        ("1024", 1024, "1K"),
        ("900T", 900 * 1024**4, "900T"),
        ("5000T", 5000 * 1024**4, "5000T"),
    ],
)
def test_a_size_is_read_and_shown(text: str, count: int, shown: str) -> None:
    assert sizes.count(text) == count
    assert sizes.shown(count) == shown


@pytest.mark.parametrize("text", ["", "much", "-1", "5P", "1,5G", "٣", "M"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a "):
        sizes.count(text)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("RUNNERCTL_MAX_RUNNERS", "0", "whole number above 0"),
        ("RUNNERCTL_MAX_RUNNERS", "many", "whole number above 0"),
        ("RUNNERCTL_MIN_FREE_SPACE", "half", "use 1000000, 500M or 2G"),
        ("RUNNERCTL_LOG_RETENTION", "5s", "at least 1m"),
        ("RUNNERCTL_HISTORY_RETENTION", "soon", "use 90, 90s"),
    ],
)
def test_a_limit_that_cannot_be_used_is_named(variable: str, value: str, says: str) -> None:
    with pytest.raises(ConfigInvalid, match=says):
        settings.load(environ={variable: value})
