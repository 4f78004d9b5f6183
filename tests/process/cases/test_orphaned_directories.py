"""A clean-up that cannot finish ends the life all the same: what stays is an orphan with a reason and a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import runnerctl
from runnerctl.core.backends import marks
from runnerctl.core.host.trash import mounts_below
from runnerctl.sandbox import Sandbox
from tests.support.hosts.audited import audited
from tests.support.hosts.ordinary import Ordinary, Protected, ordinary, protected, roots_own
from tests.support.hosts.refused import NOBODY, public, tmpfs

from .machine import Machine, until

__all__ = ["ordinary", "protected", "public"]  # fixtures


# --- The manager is not root ---


def test_what_root_owns_in_it_costs_neither_name_nor_slot_and_sudo_clears_it(ordinary: Ordinary) -> None:
    directory = ordinary.make("one")
    roots_own(directory, files=3)
    removed = ordinary.manager("--output", "json", "remove", "one", "--force")
    assert removed.returncode == 0, removed.stderr
    assert "/proc/" not in removed.stderr
    (orphan,) = ordinary.orphans()
    trash = ordinary.base_dir / ".trash" / str(orphan["runner_id"])
    assert (orphan["kind"], orphan["path"], orphan["runner"]) == ("directory", str(trash), "one")
    assert orphan["reason"] == "root owns '_work/widgets/widgets/built'"
    assert orphan["command"] == f"sudo runnerctl orphans clear {orphan['id']}"
    warning = json.loads(removed.stdout)["warning"]
    assert f"kept as orphan {orphan['id']}: {orphan['reason']}" in warning
    assert f"`{orphan['command']}` clears it, and so does sudo rm -rf --one-file-system {trash}" in warning
    assert not directory.exists()
    assert ordinary.make("one").exists(), "its name is free"
    in_vain = ordinary.manager("orphans", "clear")
    assert (in_vain.returncode, str(orphan["command"]) in in_vain.stderr) == (10, True)
    assert ordinary.orphans()[0]["reason"] == orphan["reason"], "where it was is told best the first time"
    cleared = ordinary.root("orphans", "clear", str(orphan["id"]))
    assert (cleared.returncode, cleared.stderr) == (0, f"Cleared orphan {orphan['id']}, the directory {trash}\n")
    assert not trash.exists()
    assert ordinary.orphans() == []


def test_whoever_deletes_it_by_hand_has_cleared_it(ordinary: Ordinary) -> None:
    roots_own(ordinary.make("one"))
    ordinary.manager("remove", "one", "--force")
    (orphan,) = ordinary.orphans()
    subprocess.run(["rm", "-rf", "--one-file-system", str(orphan["path"])], check=True)
    assert ordinary.manager("reconcile", "--local").returncode == 0
    assert ordinary.orphans() == []


def test_a_mount_in_it_is_named_and_even_root_deletes_nothing_before_it_is_gone(
    ordinary: Ordinary, tmp_path: Path
) -> None:
    point = roots_own(ordinary.make("one"))
    (tmp_path / "kept").touch()
    subprocess.run(["mount", "--bind", str(tmp_path), str(point)], check=True)
    try:
        assert ordinary.manager("remove", "one", "--force").returncode == 0
        (orphan,) = ordinary.orphans()
        mounted = Path(str(orphan["path"])) / point.relative_to(ordinary.base_dir / "one")
        assert f"'{mounted}' is mounted there" in str(orphan["reason"])
        assert f"umount {mounted}" in str(orphan["hint"])
        refused = ordinary.root("orphans", "clear")
        assert (refused.returncode, "is mounted there" in refused.stderr) == (10, True)
        assert (tmp_path / "kept").exists()
    finally:
        for left in mounts_below(str(ordinary.base_dir)):  # what holds it was renamed
            subprocess.run(["umount", left], check=True)
    assert ordinary.root("orphans", "clear", str(orphan["id"])).returncode == 0
    assert ordinary.orphans() == []


# --- What root does for it, and what it does not ---

PROGRAM = Path(runnerctl.__file__).parent / "privileged" / "clear_directory.py"
LIFE = "abcdefghjk"


def asked(*requests: dict[str, object], manager: int = NOBODY) -> list[str | None]:
    """What root's program answers to each: an error, or None."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", str(PROGRAM), "--manager", str(manager)],
        input="".join(f"{json.dumps(request)}\n" for request in requests),
        env={},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    return [json.loads(line)["error"] for line in done.stdout.splitlines()]


@pytest.fixture
def theirs(as_root: None, tmp_path: Path) -> Path:
    """The manager's own directory of that life."""
    path = tmp_path / "trash" / LIFE
    path.mkdir(parents=True)
    descriptor = os.open(path, os.O_RDONLY)
    marks.put(descriptor, runner_id=LIFE, backend="process")
    os.close(descriptor)
    for each in (path, path / marks.FILE):
        os.chown(each, NOBODY, NOBODY)
    (path / "built").mkdir()
    (path / "built" / "file").touch()
    return path


def request(path: Path | str, **more: object) -> dict[str, object]:
    return {"path": str(path), "inode": None, "id": LIFE, **more}


def test_root_deletes_the_managers_own_directory_of_that_life_once_or_twice(theirs: Path) -> None:
    found = theirs.stat()
    mine = request(theirs, inode=[found.st_dev, found.st_ino])
    assert asked(mine, mine) == [None, None]
    assert not theirs.exists()


@pytest.mark.parametrize("flag", ["+i", "+a"])
def test_root_takes_off_what_protects_its_files(theirs: Path, flag: str) -> None:
    protect = ["chattr", flag, str(theirs / "built" / "file"), str(theirs / "built")]
    if subprocess.run(protect, capture_output=True, check=False).returncode:
        pytest.skip("needs root, and a file system with immutable files")
    assert asked(request(theirs)) == [None]


def test_what_the_manager_merely_names_is_not_deleted(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / "marked").mkdir()
    (tmp_path / "marked" / marks.FILE).write_text(json.dumps({"id": LIFE, "backend": "process"}))
    (tmp_path / "link").symlink_to(theirs)
    (tmp_path / "own").mkdir()
    os.chown(tmp_path / "own", NOBODY, NOBODY)
    found = theirs.stat()
    answers = asked(
        request(tmp_path / "precious"),
        request(tmp_path / "marked"),
        request(tmp_path / "link"),
        request(tmp_path / "own"),
        request(theirs, id="zzzzzzzzzz"),
        request(theirs, inode=[found.st_dev, found.st_ino + 1]),
        request("built"),
        request(theirs, id="../x"),
        {"path": str(theirs)},
    )
    assert all(answers), answers
    assert "not the manager's own" in (answers[0] or "")
    assert "by its mark and inode" in (answers[3] or "")
    assert (tmp_path / "precious" / "file").exists()
    assert (tmp_path / "marked" / marks.FILE).exists()
    assert (theirs / "built" / "file").exists()
    assert (tmp_path / "own").exists()


def test_no_link_in_it_is_followed_and_no_mount_entered(theirs: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (theirs / "link").symlink_to(outside)
    (theirs / "built" / "point").mkdir()
    subprocess.run(["mount", "--bind", str(outside), str(theirs / "built" / "point")], check=True)
    try:
        assert "is mounted there" in (asked(request(theirs))[0] or "")
        assert (theirs / "built" / "file").exists()
    finally:
        subprocess.run(["umount", str(theirs / "built" / "point")], check=True)
    assert asked(request(theirs)) == [None]
    assert (outside / "kept").exists()


# --- The manager is root, and even root cannot ---


@pytest.fixture
def small(machine: Machine) -> Machine:
    """Room for one runner."""
    machine.set(RUNNERCTL_MAX_RUNNERS="1")
    return machine


def orphans(machine: Machine) -> list[dict[str, object]]:
    return list(machine.cli("--output", "json", "orphans").document["items"])


def test_a_file_that_nobody_may_delete_ends_no_name_and_no_slot(
    small: Machine, github: Sandbox, protected: Protected
) -> None:
    small.create("one", "--wait", "online")
    protected.put(small.root("one"), beside=small.top / "beside")
    removed = small.cli("remove", "one")
    assert removed.status == 0, removed.said
    assert "'protected' is immutable or append-only" in removed.stderr
    (orphan,) = orphans(small)
    assert not (Path(str(orphan["path"])) / ".credentials").exists(), "all else is gone"
    small.create("one", "--wait", "online")
    assert small.cli("remove", "one").status == 0
    looked = small.cli("doctor", "--offline")
    assert "1 directory could not be cleared yet" in looked.stdout
    assert "1 (runnerctl orphans)" in small.cli("status").stdout
    assert small.cli("--output", "json", "status").document["orphans"] == 1
    reconciled = small.cli("reconcile", "--local")
    assert (reconciled.status, "1 directory could not be cleared" in reconciled.stderr) == (10, True)
    assert "Everything is as it should be" not in reconciled.said
    protected.take_off()
    assert small.cli("remove", "one").status == 0
    assert small.cli("reconcile", "--local").status == 0
    assert orphans(small) == []


def test_a_runner_that_did_its_job_has_completed_whatever_it_left(
    machine: Machine, github: Sandbox, protected: Protected
) -> None:
    machine.create("one", "--wait", "online")
    protected.put(machine.root("one"), beside=machine.top / "beside")
    job = github.submit_job("acme/widgets", ["one"], [{"run": "true"}])
    assert github.wait_job(job, timeout=30).conclusion == "success"
    until(lambda: machine.status("one")["state"] == "completed")
    assert "Its directory is kept as orphan 1" in machine.status("one")["reason"]
    assert [orphan["runner"] for orphan in orphans(machine)] == ["one"]


def test_the_server_tries_again_by_itself_and_forgets_what_is_gone(
    machine: Machine, github: Sandbox, protected: Protected
) -> None:
    clock = machine.clock()
    server = machine.serve(ahead=clock)
    server.made("one")
    protected.put(machine.root("one"), beside=machine.top / "beside")
    answer = server.remove("one")
    assert answer.status_code == 200
    assert "`sudo runnerctl orphans clear 1` on the host clears it" in answer.json()["warning"]
    (orphan,) = server.request("GET", "/api/v1/orphans").json()["items"]
    assert (orphan["id"], orphan["kind"], orphan["tries"]) == (1, "directory", 0)
    clock.set(40)
    until(
        lambda: [each["tries"] for each in server.request("GET", "/api/v1/orphans").json()["items"]] == [1], seconds=30
    )
    protected.take_off()
    clock.set(140)
    until(lambda: server.request("GET", "/api/v1/orphans").json()["items"] == [], seconds=30)
    assert not Path(orphan["path"]).exists()


def test_what_is_forgotten_stays_and_is_tried_no_more(machine: Machine, github: Sandbox, protected: Protected) -> None:
    machine.create("one", "--wait", "online")
    protected.put(machine.root("one"), beside=machine.top / "beside")
    assert machine.cli("remove", "one").status == 0
    (orphan,) = orphans(machine)
    server = machine.serve()
    for number, code in (("99", "orphan_not_found"), ("x", "invalid_request")):
        assert server.request("DELETE", f"/api/v1/orphans/{number}").json()["code"] == code
    forgotten = server.request("DELETE", f"/api/v1/orphans/{orphan['id']}")
    assert (forgotten.status_code, forgotten.json()["status"]) == (200, "forgotten")
    assert orphans(machine) == []
    assert Path(str(orphan["path"])).exists()
    told = audited(machine.state_dir)
    assert [(each["actor"], each["object"], each["result"]) for each in told if each["action"] == "orphan.forget"] == [
        ("operator", "99", "orphan_not_found"),
        ("operator", "x", "invalid_request"),
        ("operator", orphan["path"], "ok"),
    ]
    assert machine.cli("reconcile", "--local").status == 0
    protected.take_off()


# --- The disk ---


@pytest.fixture
def disk(machine: Machine) -> Iterator[Machine]:
    """Runners are on a disk of their own, with the package."""
    with tmpfs(machine.top / "disk", "size=64m"):
        machine.set(
            GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR=str(machine.top / "disk" / "runners"),
            RUNNERCTL_PACKAGE_DIR=str(machine.top / "disk" / "packages"),
        )
        yield machine


def test_on_a_disk_that_cannot_be_written_any_more_the_life_ends_where_it_was(disk: Machine, github: Sandbox) -> None:
    disk.create("one", "--wait", "online")
    assert disk.cli("stop", "one", "--now").status == 0
    directory = disk.top / "disk" / "runners" / "one"
    remount(disk, "ro")
    removed = disk.cli("remove", "one", "--force")
    assert removed.status == 0, removed.said
    (orphan,) = orphans(disk)
    assert orphan["path"] == str(directory)
    remount(disk, "rw")
    refused = disk.cli("create", "one", "--repo", "acme/widgets")
    assert (refused.status, "from an earlier runner 'one'" in refused.stderr) == (6, True)
    assert f"orphans clear {orphan['id']}" in refused.stderr
    assert disk.cli("orphans", "clear").status == 0
    assert not directory.exists()
    disk.create("one", "--wait", "online")
    assert disk.cli("remove", "one").status == 0


def remount(machine: Machine, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(machine.top / "disk")], check=True)


def test_on_a_full_disk_a_runner_is_removed_as_on_any(disk: Machine, github: Sandbox) -> None:
    disk.create("one", "--wait", "online")
    assert disk.cli("stop", "one", "--now").status == 0
    top = disk.top / "disk"
    with (top / "ballast").open("wb") as ballast:
        free = os.statvfs(top)
        ballast.write(b"\0" * (free.f_bavail * free.f_bsize))
    assert disk.cli("remove", "one", "--force").status == 0
    assert orphans(disk) == []
    assert not (top / "runners" / "one").exists()
