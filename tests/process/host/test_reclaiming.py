"""When a unit has ended, root clears what its jobs made and what neither they nor the manager may delete."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import runnerctl
from runnerctl.core.host.trash import mounts_below
from tests.support.hosts.isolated import python_for_all

PRIVILEGED = Path(runnerctl.__file__).parent / "privileged"
MANAGER, JOB = 65534, 61500
_RECLAIM = """
import os, sys
sys.path.insert(0, sys.argv[1])
import reclaim
class Places: manager = int(sys.argv[3])
root = os.open(sys.argv[2], os.O_RDONLY)
reclaim._as_job(int(sys.argv[4]), lambda: reclaim._delete_what_jobs_made(root, int(sys.argv[4])))
reclaim._delete_what_is_left(root, int(sys.argv[4]), Places)
reclaim._empty_keyrings(int(sys.argv[4]))
"""


@pytest.fixture
def root(as_root: None, tmp_path: Path) -> Path:
    """The manager's directory, with what is its own, its job's, and root's."""
    top = tmp_path / "one"
    for name in ("bin.1", "_diag", "home", "tmp", "_work/widgets/widgets/built/deep", "made/by/root"):
        (top / name).mkdir(parents=True)
    for name in (
        "run.sh",
        "bin.1/tool",
        "home/.cache",
        "_work/widgets/widgets/built/deep/file",
        "made/file",
        ".runner",
    ):
        (top / name).touch()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").touch()
    (top / "_work" / "link").symlink_to(tmp_path / "outside")
    (top / "link of root").symlink_to(tmp_path / "outside")
    os.chown(top, MANAGER, JOB)
    for name in ("bin.1", "bin.1/tool", "run.sh"):
        os.chown(top / name, MANAGER, MANAGER)
    for name in ("_diag", "home", "tmp", "_work", "_work/widgets", "_work/widgets/widgets", ".runner"):
        os.chown(top / name, JOB, JOB)
    return top


def reclaimed(root: Path) -> str:
    """What it says."""
    argv = [sys.executable, "-c", _RECLAIM, str(PRIVILEGED), str(root), str(MANAGER), str(JOB)]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stderr


def test_what_root_owns_in_it_goes_and_what_is_the_managers_stays(root: Path) -> None:
    reclaimed(root)
    left = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    assert left == [".runner", "_diag", "bin.1", "bin.1/tool", "home", "run.sh", "tmp"]
    assert (root.parent / "outside" / "kept").exists()


def test_while_something_is_mounted_in_it_root_deletes_nothing(root: Path) -> None:
    point = root / "made" / "by" / "root"
    subprocess.run(["mount", "--bind", str(root.parent / "outside"), str(point)], check=True)
    try:
        assert "is mounted there" in reclaimed(root)
        assert (root / "made" / "file").exists()
    finally:
        for left in mounts_below(str(root)):
            subprocess.run(["umount", left], check=True)
    assert (root.parent / "outside" / "kept").exists()


def test_what_cannot_be_deleted_keeps_nothing_else(root: Path) -> None:
    (root.parent / "package").touch()
    (root / "a package's").hardlink_to(root.parent / "package")
    if subprocess.run(["chattr", "+i", str(root.parent / "package")], capture_output=True, check=False).returncode:
        pytest.skip("needs root, and a file system with immutable files")
    try:
        assert "a package's" in reclaimed(root)
        assert not (root / "made").exists()
        assert not (root / "_work").exists()
    finally:
        subprocess.run(["chattr", "-i", str(root.parent / "package")], check=True)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of its calls are that machine's")
def test_keys_of_its_user_are_gone_when_that_is_another_units(root: Path) -> None:
    def as_job(code: str) -> int:
        program = f"import ctypes; call = ctypes.CDLL(None).syscall; raise SystemExit({code} == -1)"
        argv = [python_for_all(), "-c", program]
        return subprocess.run(argv, user=JOB, group=JOB, extra_groups=(), check=False).returncode

    for _ in range(2):  # the second finds keyrings that were emptied before
        is_found_until_reclaimed(root, as_job)


def is_found_until_reclaimed(root: Path, as_job: Callable[[str], int]) -> None:
    assert as_job("call(248, b'user', b'left', b'secret', 6, -4)") == 0
    assert as_job("call(249, b'user', b'left', None, 0)") == 0
    assert "keys" not in reclaimed(root)
    assert as_job("call(249, b'user', b'left', None, 0)") == 1
