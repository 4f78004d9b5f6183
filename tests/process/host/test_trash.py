"""Trees are deleted whatever a job left in them, and nothing beside them."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runnerctl.core.domain.errors import BackendFailed
from runnerctl.core.host.trash import delete_tree, empty, mounts_below

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts")


def nest(path: Path, depth: int) -> None:
    """Deeper than any path can name."""
    path.mkdir()
    current = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=current)
        deeper = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=current)
        os.close(current)
        current = deeper
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=current))
    os.close(current)


@pytest.fixture
def tree(tmp_path):
    return tmp_path / "tree"


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_missing_tree_is_deleted_already(tree):
    delete_tree(tree)
    delete_tree(tree / "below" / "nothing")


def test_files_links_and_directories_go(tree):
    for name in ["a/b/c", "a/d", "e"]:
        (tree / name).mkdir(parents=True)
    (tree / "a/b/file").write_text("x")
    (tree / "a/hard").hardlink_to(tree / "a/b/file")
    os.mkfifo(tree / "e/fifo")
    (tree / b"\xff\xfe name\n".decode(errors="surrogateescape")).write_text("")
    delete_tree(tree)
    assert not tree.exists()


@pytest.fixture
def memory() -> Iterator[Path]:
    """A disk would spend seconds on making the levels."""
    path = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield path
    path.rmdir()


def test_twenty_thousand_levels_go_with_few_descriptors(memory, few_descriptors):
    nest(memory / "tree", 20_000)
    delete_tree(memory / "tree")
    assert list(memory.iterdir()) == []


def test_a_deep_tree_on_disk_goes(tree):
    nest(tree, 1_000)
    delete_tree(tree)
    assert not tree.exists()


def test_a_wide_tree_goes(tree):
    for number in range(300):
        (tree / f"{number}" / "sub").mkdir(parents=True)
        (tree / f"{number}" / "sub" / "file").touch()
    delete_tree(tree)
    assert not tree.exists()


@pytest.mark.parametrize("where", ["top", "a/inside"])
@pytest.mark.parametrize("to", ["directory", "file", "nowhere"])
def test_a_symlink_is_deleted_and_what_it_leads_to_stays(tree, tmp_path, where, to):
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "kept").touch()
    (tmp_path / "file").touch()
    (tree / where).parent.mkdir(parents=True, exist_ok=True)
    (tree / where).symlink_to(tmp_path / to)
    delete_tree(tree / where if where == "top" else tree)
    assert not os.path.lexists(tree / where)
    assert (tmp_path / "directory" / "kept").exists()
    assert (tmp_path / "file").exists()


def test_what_stands_beside_it_stays(tree, tmp_path):
    tree.mkdir()
    (tmp_path / "beside").touch()
    delete_tree(tree)
    assert [path.name for path in tmp_path.iterdir()] == ["beside"]


def test_names_of_an_interrupted_deletion_are_nothing_special(tree):
    (tree / ".deleting-0123456789abcdef-1" / "sub").mkdir(parents=True)
    (tree / ".deleting-0123456789abcdef-2").touch()
    delete_tree(tree)
    assert not tree.exists()


def test_a_tree_that_somebody_fills_meanwhile_goes_once_they_stop(tree):
    tree.mkdir()
    stop, errors = threading.Event(), []

    def fill() -> None:
        number = 0
        while not stop.is_set() and number < 500:
            number += 1
            try:
                (tree / "a" / f"{number}" / "b").mkdir(parents=True)
            except OSError as exc:
                errors.append(exc)

    filler = threading.Thread(target=fill)
    filler.start()
    for _ in range(3):
        try:
            delete_tree(tree)
        except BackendFailed:
            continue
    stop.set()
    filler.join()
    delete_tree(tree)
    assert not tree.exists()


# Root ignores modes: a child drops it.
UNPRIVILEGED = """
import os, sys
from pathlib import Path
from runnerctl.core.host.trash import delete_tree
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
tree = Path(sys.argv[1])
for name in ["closed/deeper/most", "readonly/sub", "blind"]:
    (tree / name).mkdir(parents=True)
    (tree / name / "file").touch()
for name, mode in [("closed/deeper", 0), ("closed", 0), ("readonly/sub", 0o555), ("readonly", 0o555), ("blind", 0o300)]:
    (tree / name).chmod(mode)
if sys.argv[2] == "closed": tree.chmod(0)
delete_tree(tree)
assert not tree.exists()
"""


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """pytest's own directories are closed to other users."""
    path = Path(f"/tmp/trash-test-{os.getpid()}-{time.monotonic_ns()}")
    path.mkdir()
    path.chmod(0o1777)
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("root", ["open", "closed"])
def test_directories_without_any_mode_go_too(open_to_all, root):
    subprocess.run([sys.executable, "-c", UNPRIVILEGED, str(open_to_all / "tree"), root], check=True, timeout=20)


@needs_root
def test_files_of_another_user_are_named_and_left(open_to_all):
    tree = open_to_all / "tree"
    (tree / "theirs").mkdir(parents=True)
    (tree / "theirs" / "file").touch()
    os.chown(tree, 65534, 65534)
    script = (
        "import os, sys; from pathlib import Path; from runnerctl.core.host.trash import delete_tree;"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534); delete_tree(Path(sys.argv[1]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(tree)], check=False, capture_output=True, text=True, timeout=20
    )
    assert "BackendFailed" in run.stderr
    assert "is not deleted: root owns 'theirs/file'" in run.stderr
    assert next(tree.iterdir()).is_dir()


@pytest.fixture
def mounted(tree, tmp_path) -> Iterator[Path]:
    """The same file system once more, below the tree: only the mount table tells."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").touch()
    point = tree / "a" / "mount point"
    point.mkdir(parents=True)
    (tree / "file").touch()
    subprocess.run(["mount", "--bind", str(tmp_path / "outside"), str(point)], check=True)
    yield point
    for left in mounts_below(str(tree)):  # what holds it may have been renamed
        subprocess.run(["umount", left], check=True)


@needs_root
def test_nothing_goes_while_something_is_mounted_below(tree, mounted, tmp_path):
    with pytest.raises(BackendFailed, match="mount point' is mounted there"):
        delete_tree(tree)
    assert (tmp_path / "outside" / "kept").exists()
    assert (tree / "file").exists()
    subprocess.run(["umount", str(mounted)], check=True)
    delete_tree(tree)
    assert not tree.exists()
    assert (tmp_path / "outside" / "kept").exists()


@needs_root
def test_a_mount_that_came_after_the_look_at_the_table_is_not_entered_either(tree, mounted, tmp_path):
    root = os.open(tree, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="something is mounted on 'a/mount point'"):
            empty(root)
    finally:
        os.close(root)
    assert (tmp_path / "outside" / "kept").exists()


@needs_root
def test_a_mount_beside_the_tree_does_not_matter(tree, mounted, tmp_path):
    assert mounts_below(str(tree)) == [str(mounted)]
    assert mounts_below(str(mounted)) == [str(mounted)]
    assert mounts_below(f"{tree}/a/mount") == []


@needs_root
def test_a_mounted_file_is_in_the_way_as_well(tree, tmp_path):
    tree.mkdir()
    (tmp_path / "kept").write_text("kept")
    (tree / "file").touch()
    subprocess.run(["mount", "--bind", str(tmp_path / "kept"), str(tree / "file")], check=True)
    try:
        with pytest.raises(BackendFailed, match="file' is mounted there"):
            delete_tree(tree)
    finally:
        subprocess.run(["umount", str(tree / "file")], check=True)
    assert (tmp_path / "kept").read_text() == "kept"


# --- What is in the way of some of it ---

AS_NOBODY = (
    "import os, sys; from pathlib import Path; from runnerctl.core.host.trash import delete_tree;"
    "os.setgroups([]); os.setgid(65534); os.setuid(65534); delete_tree(Path(sys.argv[1]), last='mark')"
)


def deleted_by_nobody(tree: Path) -> str:
    """What it says of what it could not delete."""
    run = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(tree)], check=False, capture_output=True, text=True, timeout=20
    )
    assert "BackendFailed" in run.stderr, run.stderr
    return run.stderr.rpartition("BackendFailed: ")[2].strip()


@needs_root
def test_all_else_goes_and_what_stays_is_counted_by_owner_and_named_by_its_first(open_to_all):
    """As `docker run -v $PWD:…` leaves it: root's own, and not empty."""
    tree = open_to_all / "tree"
    for name in ["_work/a/a/ours/deep", "_work/a/a/built/deep", "_work/_temp"]:
        (tree / name).mkdir(parents=True)
        (tree / name / "file").touch()
    (tree / "mark").touch()
    (tree / ".credentials").touch()
    for path in (tree, *tree.rglob("*")):
        os.chown(path, 65534, 65534)
    for path in (tree / "_work/a/a/built", *(tree / "_work/a/a/built").rglob("*")):
        os.chown(path, 0, 0)
    said = deleted_by_nobody(tree)
    assert said == f"'{tree}' is not deleted: root owns '_work/a/a/built'"
    left = sorted(path.name for path in tree.rglob("*") if not path.name.startswith(".deleting-"))
    assert left == ["built", "deep", "file", "mark"]
    assert "root owns '…/built'" in deleted_by_nobody(tree), "where it was is not known any more"
    delete_tree(tree, last="mark")
    assert not tree.exists()


@needs_root
def test_many_are_counted_and_an_owner_without_an_account_is_told_by_number(open_to_all):
    tree = open_to_all / "tree"
    (tree / "theirs").mkdir(parents=True)
    for number in range(3):
        (tree / "theirs" / f"{number}").touch()
    os.chown(tree, 65534, 65534)
    os.chown(tree / "theirs", 4_000_000, 4_000_000)
    said = deleted_by_nobody(tree)
    assert "uid 4000000 owns 3 files or directories in it, such as 'theirs/" in said


@pytest.fixture
def protect() -> Iterator[Callable[[str, Path], None]]:
    """By a flag of chattr; taken off at the end, or pytest could not clear up."""
    tops: list[Path] = []

    def act(flag: str, path: Path) -> None:
        tops.append(path.parent)
        done = subprocess.run(["chattr", flag, str(path)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("needs root, and a file system with immutable files")

    yield act
    for top in filter(Path.exists, tops):
        subprocess.run(["chattr", "-R", "-i", "-a", str(top)], check=True)


@needs_root
@pytest.mark.parametrize("flag", ["+i", "+a"])
@pytest.mark.parametrize("what", ["a/b/file", "a/b", "a", "."])
def test_root_deletes_what_is_protected_as_well(tree, protect, flag, what):
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "file").touch()
    protect(flag, tree / what)
    delete_tree(tree)
    assert not tree.exists()


@needs_root
def test_a_protected_file_with_another_name_is_named_and_left(tree, tmp_path, protect):
    """It may be of a package, which other runners use."""
    tree.mkdir()
    (tmp_path / "package").touch()
    (tree / "file").hardlink_to(tmp_path / "package")
    (tree / "other").touch()
    protect("+i", tmp_path / "package")
    with pytest.raises(BackendFailed, match="'file' is immutable or append-only") as refused:
        delete_tree(tree)
    assert "chattr -i" in (refused.value.hint or "")
    assert [path.name for path in tree.iterdir()] == ["file"]


@needs_root
def test_what_only_root_may_unprotect_is_named(open_to_all, protect):
    tree = open_to_all / "tree"
    tree.mkdir()
    (tree / "file").touch()
    for path in (tree, tree / "file"):
        os.chown(path, 65534, 65534)
    protect("+i", tree / "file")
    assert deleted_by_nobody(tree) == f"'{tree}' is not deleted: 'file' is immutable or append-only"
    delete_tree(tree)
