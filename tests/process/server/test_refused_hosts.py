"""Settings, packages, directories and disks that cannot be used: refused alike by both front ends, nothing is left."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from runnerctl.sandbox import Sandbox
from runnerctl.standin.archive import build_archive
from tests.support.front_ends.refusal_cases import BAD_KEYS, BAD_PACKAGES, Ask, BadKey, BadPackage
from tests.support.front_ends.refusing import (
    NOTHING,
    Place,
    Told,
    created_over_http,
    make_host,
    opened,
    tidy,
    warm_place,
)
from tests.support.hosts.refused import NOBODY, Moved, as_nobody, fill, public, tmpfs

__all__ = ["public"]


@pytest.fixture(scope="module")
def shared(archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with warm_place(tmp_path_factory.mktemp("shared"), package_dir=package_dir, archive=archive) as place:
        yield place


@pytest.fixture
def place(shared: Place) -> Iterator[Place]:
    yield shared
    tidy(shared)


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
        ({"GITHUB_WFA_RUNNER_SERVER__BIND": "192.0.2.1:0"}, "Other machines can reach 192.0.2.1:0", "--insecure-bind"),
        (
            {"GITHUB_WFA_RUNNER_SERVER__BIND": "192.0.2.1:0", "RUNNERCTL_INSECURE_BIND": "true"},
            "Cannot assign requested address",
            "another",
        ),
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
    _nothing_is_kept_in(packing.host.package_dir, broken_off=bad.code == "github_unavailable")
    assert not (packing.host.top / "escaped").exists()
    assert packing.left() == NOTHING


def _nothing_is_kept_in(store: Path, *, broken_off: bool = False) -> None:
    """But for what a download that broke off may be continued from."""
    assert [path.name for path in store.iterdir() if path.name not in {".locks", ".partial"}] == []
    left = list((store / ".partial").iterdir())
    assert [path.name for path in left if not (broken_off and path.suffix == ".part")] == []
    for part in left:
        part.unlink()


def test_a_package_that_was_altered_on_the_way_is_refused(packing: Place, tmp_path: Path) -> None:
    published = build_archive(tmp_path / "archive", version="9.2.0")
    packing.sandbox.add_release("9.2.0", published)
    with published.open("ab") as file:
        file.write(b"one byte too many")
    by_command, over_http = packing.refusals(Ask(name="packed", version="9.2.0"))
    assert by_command == over_http
    assert by_command.code == "package_invalid"
    assert "has the wrong checksum" in by_command.message
    _nothing_is_kept_in(packing.host.package_dir)
    assert packing.left() == NOTHING


def test_a_version_that_github_does_not_have_is_refused(packing: Place) -> None:
    by_command, over_http = packing.refusals(Ask(name="packed", version="1.2.3"))
    assert by_command == over_http
    assert by_command.code == "package_invalid"
    assert "GitHub has no runner 1.2.3" in by_command.message
    assert "latest" in by_command.hint
    assert packing.left() == NOTHING


@pytest.fixture
def elsewhere(tmp_path: Path, sandbox: Sandbox) -> Callable[..., Any]:
    """Opens a place with some of its directories where the test says."""

    def make(**moved: Path) -> Any:
        return opened(Moved.at(tmp_path, sandbox, moved), sandbox)

    return make


UNUSABLE = [
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


@pytest.mark.parametrize(("how", "says"), [("below a file", "is not a directory"), ("read-only", "cannot write")])
def test_without_a_place_for_runners_nothing_is_made_and_no_server_starts(
    tmp_path: Path, sandbox: Sandbox, how: str, says: str
) -> None:
    disk = tmp_path / "disk"
    with tmpfs(disk, "size=64k,ro") if how == "read-only" else nullcontext():
        if how == "below a file":
            disk.write_text("a file")
        host = Moved.at(tmp_path, sandbox, {"base_dir": disk / "there"})
        for argv in (["create", "homeless", "--repo", "acme/widgets"], ["serve"]):
            done = host.cli("--output", "json", *argv)
            error = json.loads(done.stdout)["error"]
            assert (done.returncode, error["code"]) == (2, "config_invalid")
            assert says in error["message"]
            assert str(disk) in error["message"]
    assert sandbox.runners() == []


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
            assert Told.by_command(ran).code == "disk_full", ran
            if pages % 4 == 0:
                assert Told.over_http(place.post(Ask(name="homeless"))).code == "disk_full"
            assert {**place.left(), "roots": []} == NOTHING
            assert [name for name in place.host.roots() if name != ".ballast"] == []
        else:
            pytest.fail("there was never enough space")


def test_a_full_disk_of_the_state_is_said_and_nothing_stays(elsewhere: Callable[..., Any], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with tmpfs(disk, "size=4m,mode=700"), elsewhere(state_dir=disk) as place:
        assert place.post(Ask(name="homeless")).status_code == 201
        assert place.server.remove("homeless", "?force=true").status_code == 200
        fill(disk)
        by_command, over_http = place.refusals(Ask(name="homeless"))
        assert (by_command.code, over_http.code) == ("disk_full", "disk_full")
        assert "No space is left" in by_command.message
        assert place.left() == NOTHING


def test_what_a_full_disk_of_the_state_keeps_from_being_written_down_is_made_good_by_the_next(
    elsewhere: Callable[..., Any], tmp_path: Path
) -> None:
    """Full in the midst of a create, nobody can write down that it failed: the row stays, and what it stands for."""
    disk = tmp_path / "disk"
    with tmpfs(disk, "size=4m,mode=700"), elsewhere(state_dir=disk) as place:
        for pages in (4, 8, 12, 16):
            fill(disk, but_pages=pages)
            ran = place.command(*Ask(name="homeless").argv())
            assert ran.status == 0 or Told.by_command(ran).code == "disk_full"
            (disk / ".ballast").unlink()
            if ran.status == 0:
                assert place.server.remove("homeless", "?force=true").status_code == 200
            github_id = created_over_http(place, Ask(name="homeless"))
            assert [runner.id for runner in place.sandbox.runners()] == [github_id]
            assert place.server.remove("homeless", "?force=true").status_code == 200
            assert place.left() == NOTHING


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
        assert "Choose another directory" in each.hint or "to another directory" in each.hint
    assert "'nobody'" in told[0].message
    assert list(host.base_dir.iterdir()) == []
    assert sandbox.runners() == []


def test_a_state_directory_behind_a_shut_door_is_named_by_the_doctor(public: Path, sandbox: Sandbox) -> None:
    shut = public / "shut"
    shut.mkdir(mode=0o700)
    host = Moved.at(public, sandbox, {"state_dir": shut / "state"})
    told = as_nobody(host, "doctor", "--offline")
    assert told.code == "config_invalid"
    assert f"'{shut}' (mode 0700, owner root)" in told.message


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
    assert "belongs to uid 54321, which is not a user of this host" in told[0].message
    assert list(public.iterdir()) == []
