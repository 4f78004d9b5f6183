"""A runner's directory: shared where it can be, its own where it must be, removed by inode and never by name."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.core.backends import directory
from runnerctl.core.backends.directory import build, discard, publish
from runnerctl.core.backends.identity import MAX_BLOB, write_identity
from runnerctl.core.domain.errors import BackendFailed, ConfigInvalid, GitHubRefused, RunnerctlError, RunnerExists
from runnerctl.core.host.directories import check_directory
from runnerctl.core.host.syscalls import claim_and_rename, rename_new
from runnerctl.core.host.trash import mounts_below
from runnerctl.core.packages.store import Package
from tests.support.hosts.mounting import WAYS, mounting

ROW = "k3v9"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: other owners")


def unpacked(path: Path) -> Package:
    """A package as the store leaves it."""
    for name in ["bin/Runner.Listener", "bin/lib/deep/a.dll", "externals/node20/bin/node", "run.sh", "config.sh"]:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(name)
        (path / name).chmod(0o555)
    (path / "run-helper.sh.template").write_text("template")
    (path / "unknown-to-us").write_text("")
    (path / "bin/link").symlink_to("Runner.Listener")
    return Package(version="2.336.0", platform="linux-x64", path=path)


@pytest.fixture
def base_dir(tmp_path):
    path = tmp_path / "runners"
    path.mkdir()
    return path


@pytest.fixture
def package(tmp_path):
    return unpacked(tmp_path / "runners" / ".packages" / "2.336.0-linux-x64")


@pytest.fixture
def make(base_dir, package, tmp_path):
    def made(name: str = "one", *, package: Package = package, runner_id: str = ROW, **owner) -> directory.Root:
        return build(
            base_dir,
            runner_id=runner_id,
            name=name,
            package=package,
            log_link=tmp_path / "state" / "runner.log",
            pid_link=tmp_path / "state" / "runner.pid",
            **owner,
        )

    return made


def names_in(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if entry.name not in {".packages", ".trash"})


# -- building


def test_a_root_holds_what_the_runner_needs(make, package, tmp_path):
    root = make().path
    assert (root / "bin").readlink() == Path("bin.2.336.0")
    assert (root / "externals").readlink() == package.path / "externals"
    assert (root / "runner.log").readlink() == tmp_path / "state" / "runner.log"
    assert (root / "runner.pid").readlink() == tmp_path / "state" / "runner.pid"
    assert " ".join(names_in(root)) == (
        ".runnerctl _diag bin bin.2.336.0 config.sh externals home"
        " run-helper.sh.template run.sh runner.log runner.pid tmp"
    )


def test_binaries_are_shared_and_the_root_of_the_listener_is_this_one(make, package):
    root = make().path
    listener = root / "bin" / "Runner.Listener"
    assert listener.samefile(package.path / "bin/Runner.Listener")
    assert listener.resolve().parent.parent == root
    assert (root / "bin/lib/deep/a.dll").samefile(package.path / "bin/lib/deep/a.dll")
    assert (root / "bin/link").readlink() == Path("Runner.Listener")


def test_scripts_are_copies_that_can_run(make, package):
    script = make().path / "run.sh"
    assert not script.samefile(package.path / "run.sh")
    assert os.access(script, os.X_OK)


def test_binaries_are_copied_from_another_file_system(make):
    elsewhere = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        root = make(package=unpacked(elsewhere / "2.336.0-linux-x64")).path
    finally:
        shutil.rmtree(elsewhere)
    assert (root / "bin/Runner.Listener").read_text() == "bin/Runner.Listener"
    assert os.access(root / "bin/Runner.Listener", os.X_OK)
    assert (root / "bin/link").readlink() == Path("Runner.Listener")


def test_a_half_made_root_of_the_same_life_is_made_anew(make, base_dir):
    (base_dir / f".new-{ROW}" / "bin").mkdir(parents=True)
    assert publish(make(), "one").path.is_dir()


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_jobs_of_other_users_get_through_whatever_the_umask(make, umask):
    before = os.umask(umask)
    try:
        root = make().path
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in [root, root / "bin", root / "bin/lib"]} == {0o755}


@needs_root
def test_another_user_may_add_to_the_root_but_not_replace_what_is_ours(make):
    root = make(owner=(65534, 65533)).path
    found = root.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 65533, 0o1770)
    owners = {name: (root / name).stat().st_uid for name in ["_diag", "home", "tmp", "bin", "run.sh"]}
    assert owners == {"_diag": 65534, "home": 65534, "tmp": 65534, "bin": 0, "run.sh": 0}


# -- publishing


def test_publishing_twice_is_publishing_once(make, base_dir):
    root = make()
    published = publish(root, "one")
    assert published == publish(root, "one")
    assert published.path == base_dir / "one"
    assert published.inode == (published.path.stat().st_dev, published.path.stat().st_ino)
    assert names_in(base_dir) == ["one"]


def _directory(path: Path) -> None:
    (path / "sub").mkdir(parents=True)


def _link_to(target: str):
    def make(path: Path) -> None:
        path.symlink_to(target)

    return make


STRANGERS = {
    "directory": _directory,
    "empty directory": Path.mkdir,
    "file": Path.touch,
    "link": _link_to("/tmp"),
    "dangling link": _link_to("nowhere"),
}


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_of_that_name_is_refused_and_untouched(make, base_dir, stranger):
    root = make()
    stranger(base_dir / "one")
    before = (base_dir / "one").lstat()
    with pytest.raises(RunnerExists, match="one' exists and was not created by runnerctl"):
        publish(root, "one")
    with pytest.raises(RunnerExists):
        make("one", runner_id="other")
    after = (base_dir / "one").lstat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert directory.is_taken(base_dir / "one")


def test_only_what_was_built_is_published(make, base_dir):
    root = make()
    root.path.rename(base_dir / "aside")
    root.path.mkdir()
    with pytest.raises(BackendFailed, match="not the directory that was built"):
        publish(root, "one")


@pytest.mark.parametrize("rename", [rename_new, claim_and_rename])
def test_a_directory_gets_a_new_name_or_none(tmp_path, rename):
    (tmp_path / "source").mkdir()
    (tmp_path / "taken").symlink_to("nowhere")
    parent = os.open(tmp_path, os.O_PATH)
    try:
        with pytest.raises(FileExistsError):
            rename("source", "taken", dir_fd=parent)
        rename("source", "free", dir_fd=parent)
    finally:
        os.close(parent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["free", "taken"]


# -- discarding


def test_a_discarded_root_is_gone_and_its_package_is_not(make, base_dir, package):
    root = publish(make(), "one")
    (root.path / "_work").mkdir()
    for _ in range(2):
        discard(base_dir, root=root.path, inode=root.inode, runner_id=ROW)
        assert names_in(base_dir) == []
        assert list((base_dir / ".trash").iterdir()) == []
    assert (package.path / "bin/Runner.Listener").exists()
    assert (package.path / "externals/node20/bin/node").exists()


def test_a_root_that_was_never_published_is_gone(make, base_dir):
    root = make()
    discard(base_dir, root=base_dir / "one", inode=root.inode, runner_id=ROW)
    assert names_in(base_dir) == []


@needs_root
@pytest.mark.parametrize("mount", WAYS.values(), ids=WAYS)
def test_what_is_mounted_in_a_root_is_taken_off_and_keeps_what_it_holds(make, base_dir, tmp_path, mount):
    root = publish(make(), "one")
    point = root.path / "_work" / "a b"
    point.mkdir(parents=True)
    with mounting(tmp_path) as mounts:
        mount(mounts, point)
        discard(base_dir, root=root.path, inode=root.inode, runner_id=ROW)
        assert mounts_below(str(tmp_path)) == []
    assert names_in(base_dir) == []


@needs_root
def test_a_root_under_a_mount_is_not_forgotten(make, base_dir, tmp_path):
    root = publish(make(), "one")
    with mounting(tmp_path) as mounts:
        mounts.bind(root.path)
        with pytest.raises(BackendFailed, match="something is mounted on it"):
            discard(base_dir, root=root.path, inode=root.inode, runner_id=ROW)
    discard(base_dir, root=root.path, inode=root.inode, runner_id=ROW)
    assert names_in(base_dir) == []


def test_a_life_that_never_had_a_directory_has_nothing_to_discard(base_dir):
    discard(base_dir, root=base_dir / "one", inode=None, runner_id=ROW)
    discard(base_dir / "missing", root=base_dir / "missing" / "one", inode=(1, 2), runner_id=ROW)
    assert names_in(base_dir) == []


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_in_its_place_stays(make, base_dir, stranger):
    root = publish(make(), "one")
    root.path.rename(base_dir / "moved")
    stranger(root.path)
    discard(base_dir, root=root.path, inode=root.inode, runner_id=ROW)
    assert names_in(base_dir) == ["moved", "one"]


def test_a_link_to_the_very_root_stays(make, base_dir):
    root = publish(make(), "one")
    root.path.rename(base_dir / "moved")
    root.path.symlink_to("moved")
    discard(base_dir, root=root.path, inode=root.inode, runner_id=ROW)
    assert (base_dir / "moved" / "bin").exists()


def test_a_discard_that_crashed_between_its_steps_is_finished(make, base_dir):
    root = publish(make(), "one")
    root.path.rename(base_dir / ".trash" / ROW)
    discard(base_dir, root=root.path, inode=root.inode, runner_id=ROW)
    assert list((base_dir / ".trash").iterdir()) == []


def test_another_lifes_directories_stay(make, base_dir):
    other = make("two", runner_id="other")
    root = publish(make(), "one")
    discard(base_dir, root=root.path, inode=root.inode, runner_id=ROW)
    assert other.path.is_dir()


CLOSED = """
import os, sys
from pathlib import Path
from runnerctl.core.backends.directory import discard
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
base_dir = Path(sys.argv[1])
root = base_dir / "one"
(root / "home").mkdir(parents=True)
found = root.stat()
root.chmod(0)
discard(base_dir, root=root, inode=(found.st_dev, found.st_ino), runner_id="k3v9")
assert [path.name for path in base_dir.iterdir()] == [".trash"]
"""


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """pytest's own directories are closed to other users."""
    path = Path(tempfile.mkdtemp(dir="/dev/shm"))
    path.chmod(0o1777)
    yield path
    shutil.rmtree(path)


def test_a_root_that_its_job_closed_goes_all_the_same(open_to_all):
    subprocess.run([sys.executable, "-c", CLOSED, str(open_to_all)], check=True, timeout=20)


# -- identity


def encoded(files: object) -> str:
    return base64.b64encode(json.dumps(files).encode()).decode()


def jit(**changes: object) -> dict[str, object]:
    names = (".runner", ".credentials", ".credentials_rsaparams")
    files: dict[str, object] = {name: base64.b64encode(name.encode()).decode() for name in names}
    return {**files, **changes}


def test_the_identity_is_written_for_its_owner_only(tmp_path):
    write_identity(tmp_path, encoded(jit()))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: name for name in jit()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("name", ["../evil", "/tmp/runnerctl-evil", "run.sh", "bin/Runner.Listener"])
def test_other_names_in_the_blob_are_not_written(tmp_path, name):
    (tmp_path / "root").mkdir()
    write_identity(tmp_path / "root", encoded(jit(**{name: "eA=="})))
    assert names_in(tmp_path / "root") == sorted(jit())
    assert not (tmp_path / "root" / name).exists()


def test_writing_again_replaces_and_follows_no_link(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").write_text("kept")
    (tmp_path / "root" / ".runner").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / ".credentials").hardlink_to(tmp_path / "outside")
    (tmp_path / "root" / ".runner_migrated").touch()  # it would override the others
    write_identity(tmp_path / "root", encoded(jit()))
    assert names_in(tmp_path / "root") == sorted(jit())
    assert (tmp_path / "outside").read_text() == "kept"
    assert (tmp_path / "root" / ".runner").read_text() == ".runner"


def test_a_root_that_is_a_link_is_not_written_to(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "root").symlink_to("outside")
    with pytest.raises(BackendFailed):
        write_identity(tmp_path / "root", encoded(jit()))
    assert list((tmp_path / "outside").iterdir()) == []


@needs_root
def test_the_identity_can_belong_to_the_jobs_user(tmp_path):
    write_identity(tmp_path, encoded(jit()), owner=(65534, 65533))
    assert {(path.stat().st_uid, path.stat().st_gid) for path in tmp_path.iterdir()} == {(65534, 65533)}


MALFORMED = {
    "empty": "",
    "no base64": "!!!",
    "broken over lines": encoded(jit())[:8] + "\n" + encoded(jit())[8:],
    "not ascii": "é",
    "no json": base64.b64encode(b"secret-key {").decode(),
    "not utf-8": base64.b64encode(b"\xff\xff").decode(),
    "list": encoded([]),
    "deep": base64.b64encode(b"[" * 100_000).decode(),
    "a file missing": encoded({**jit(), ".credentials": None}),
    "a file empty": encoded(jit(**{".runner": ""})),
    "a file not base64": encoded(jit(**{".runner": "%"})),
    "a file not a string": encoded(jit(**{".runner": {"a": 1}})),
    "too large": encoded(jit(more="x" * MAX_BLOB)),
}


@pytest.mark.parametrize("blob", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_blob_is_githubs_fault_and_changes_nothing(tmp_path, blob):
    write_identity(tmp_path, encoded(jit()))
    with pytest.raises(GitHubRefused, match="JIT configuration is malformed") as refused:
        write_identity(tmp_path, blob)
    assert "secret-key" not in repr(refused.value) + repr(refused.value.__cause__)
    assert names_in(tmp_path) == sorted(jit())


# -- directories we are told to use


def test_a_missing_directory_is_created_open_to_jobs_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        check_directory(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ["a", "a/b"]} == {0o755}


@pytest.mark.parametrize("path", ["file", "file/below", "dangling"])
def test_what_is_no_directory_is_said(tmp_path, path):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(ConfigInvalid, match="is not a directory"):
        check_directory(tmp_path / path)


UNWRITABLE = """
import os, sys
from pathlib import Path
from runnerctl.core.host.directories import check_directory
if os.geteuid() == 0:
    import pwd
    pwd.getpwuid(0)
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    check_directory(Path(sys.argv[1]))
except Exception as exc:
    print(type(exc).__name__, exc)
"""


@needs_root
@pytest.mark.parametrize("below", ["", "new", "new/deeper"])
def test_who_cannot_write_where_is_said(open_to_all, below):
    (open_to_all / "theirs").mkdir(mode=0o755)
    run = subprocess.run(
        [sys.executable, "-c", UNWRITABLE, str(open_to_all / "theirs" / below)],
        check=True,
        capture_output=True,
        text=True,
    )
    what = f"'{open_to_all}/theirs/{below}' cannot be made: " if below else ""
    expected = f"ConfigInvalid {what}User 'nobody' cannot write '{open_to_all}/theirs' (mode 0755, owner root)"
    assert run.stdout.strip() == expected, run.stderr


@needs_root
def test_a_read_only_file_system_is_said(tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=4k", "tmpfs", str(tmp_path)], check=True)
    try:
        with pytest.raises(ConfigInvalid, match="cannot write"):
            check_directory(tmp_path)
        with pytest.raises(RunnerctlError, match="cannot write"):
            check_directory(tmp_path / "below")
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
