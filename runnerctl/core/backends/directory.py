"""One runner's directory: built aside, published by one rename, removed by its mark and its inode.

    <base_dir>/.new-<row id>/       while it is built
    <base_dir>/<name>/              the runner's root
        bin -> bin.2.336.0/         hard links of the package: the runner takes the parent of its real bin for its root
        externals -> <package>/externals
        run.sh config.sh …          copies: the runner's scripts append to their neighbours, and links would share that
        _diag/ home/ tmp/           the runner's logs, its HOME, its TMPDIR; the work directory is made by the runner
        runner.log runner.pid       symlinks into the state directory, where no job can forge them
        .runnerctl                  our mark: whose directory it is, for who no longer knows its inode
    <base_dir>/.<row id>            a link to the root, where its own name leaves no room for a socket's in home and tmp
    <base_dir>/.trash/<row id>/     on its way out

Names of runners begin with a letter or a digit, so the dot names are ours.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..domain.errors import BackendFailed, RunnerExists
from ..host.directories import disk_errors
from ..host.hardlinks import copy, share_tree
from ..host.obstacles import unprotect
from ..host.syscalls import rename_new
from ..host.trash import delete_tree, detach_mounts, is_mount_point, make_writable
from ..packages.store import Package
from . import marks
from .marks import Whose

HOME = "home"
TMP = "tmp"
_OWN = ("_diag", HOME, TMP)
TRASH = ".trash"

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SCRIPTS = frozenset({"config.sh", "run.sh", "env.sh", "safe_sleep.sh"})


@dataclass(frozen=True, kw_only=True)
class Root:
    """A runner's root directory, known by what cannot be renamed into its place."""

    path: Path
    inode: tuple[int, int]
    """(device, inode)."""


def build(
    base_dir: Path,
    *,
    runner_id: str,
    name: str,
    package: Package,
    log_link: Path,
    pid_link: Path,
    owner: tuple[int, int] | None = None,
    backend: str = "process",
) -> Root:
    """Make the directory of one life under a name nobody looks for; a half-made one of that life is replaced.

    ``owner`` is the job's (uid, gid), None when jobs run as ourselves; ``backend`` stands in the mark.
    Raises ``RunnerExists``, ``DiskFull``, ``ConfigInvalid`` or ``BackendFailed``; what was made until then is taken
    away by ``discard``.
    """
    if is_taken(base_dir / name):
        raise _taken(base_dir / name)
    path = base_dir / _unpublished(runner_id)
    delete_tree(path)
    with disk_errors(path):
        # Now, so that a directory can be set aside when the disk is full.
        (base_dir / TRASH).mkdir(mode=0o700, exist_ok=True)
        path.mkdir(mode=0o700)
        root = os.open(path, _DIRECTORY)
        try:
            marks.put(root, runner_id=runner_id, backend=backend)
            _take_package(root, package)
            _make_own_directories(root, owner)
            os.symlink(log_link, "runner.log", dir_fd=root)
            os.symlink(pid_link, "runner.pid", dir_fd=root)
            _open_to(root, owner)
            return Root(path=path, inode=_inode(root))
        finally:
            os.close(root)


def publish(root: Root, name: str) -> Root:
    """Give a built directory the runner's name; doing it twice is fine.

    Raises ``RunnerExists`` if anything at all bears that name and is not this very directory; it stays untouched.
    """
    base_dir = root.path.parent
    published = Root(path=base_dir / name, inode=root.inode)
    if is_at(published.path, root.inode):
        return published
    if not is_at(root.path, root.inode):
        raise BackendFailed(f"{str(root.path)!r} is not the directory that was built")
    with disk_errors(published.path):
        parent = os.open(base_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            rename_new(root.path.name, name, dir_fd=parent)
        except FileExistsError as exc:
            raise _taken(published.path) from exc
        finally:
            os.close(parent)
    return published


def change_package(root: Path, inode: tuple[int, int] | None, package: Package, *, runner_id: str) -> None:
    """Give a published directory another package; what is not the package's stays. Half done before is fine.

    The runner's processes must be dead. Raises ``BackendFailed`` if anything else stands there.
    """
    versioned = f"bin.{package.version}"
    check_ours(root, inode, runner_id)
    with disk_errors(root):
        descriptor = os.open(root, _DIRECTORY)
        try:
            delete_tree(root / versioned)
            _take_package(descriptor, package)
            with os.scandir(descriptor) as entries:
                older = [e.name for e in entries if e.name.startswith("bin.") and e.name != versioned]
        finally:
            os.close(descriptor)
    for name in older:
        delete_tree(root / name)


def restore_own_directories(root: Path, owner: tuple[int, int] | None) -> None:
    """HOME, TMPDIR and the runner's logs are directories of the job's user again, whatever a job made of them.

    What it put in their place, such as a link to others' files, is set aside and goes with the root.
    """
    with disk_errors(root):
        descriptor = os.open(root, _DIRECTORY)
        try:
            for name in _OWN:
                _restore(descriptor, name, owner)
        finally:
            os.close(descriptor)


def shorten(root: Path, short: Path) -> None:
    """``short``, beside it, leads to it, whatever bore that name."""
    with disk_errors(short):
        with suppress(OSError):
            if str(short.readlink()) == root.name:
                return
        new = short.with_name(f"{short.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(root.name)
        new.rename(short)


def _restore(root: int, name: str, owner: tuple[int, int] | None) -> None:
    with suppress(FileNotFoundError):
        found = os.stat(name, dir_fd=root, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode) and found.st_uid == (os.geteuid() if owner is None else owner[0]):
            return
        os.rename(name, f".{name}.{os.urandom(8).hex()}", src_dir_fd=root, dst_dir_fd=root)
    _make_own_directory(root, name, owner)


def discard(base_dir: Path, *, root: Path, inode: tuple[int, int] | None, runner_id: str) -> None:
    """Delete a life's directory, published or not: what bears the life's id, and what is its own by mark and inode.

    Already gone, or somebody else's by now: fine. Can be repeated after a crash anywhere. The runner's processes must
    be dead. What was mounted in there is taken off first, and keeps what it holds. Raises ``BackendFailed`` naming what
    is in the way, such as a mount that we may not take off, or a directory whose mark and inode say different things.
    """
    trash = base_dir / TRASH / runner_id
    _delete(trash)
    _unlink_short(base_dir / f".{runner_id}")
    delete_tree(base_dir / _unpublished(runner_id))
    whose, found = marks.whose(root, inode, runner_id)
    if whose is Whose.OURS and found is not None:
        if _move(root, trash, found):
            _delete(trash)
    elif whose is Whose.DOUBTFUL:
        raise BackendFailed(
            f"{str(root)!r} is kept: it may be the runner's own directory, or a copy of it, or another's",
            hint=f"Check it, and delete it if nobody needs it: rm -r {root}",
        )
    elif inode is not None and is_mount_point(root):
        # What is under it cannot be seen: it may be ours, and then it would stay for good.
        raise BackendFailed(
            f"{str(root)!r} is not deleted: something is mounted on it", hint=f"Unmount it: umount {root}"
        )


def remains(base_dir: Path, *, root: Path, inode: tuple[int, int] | None, runner_id: str) -> Path | None:
    """Where a life's directory is that ``discard`` could not delete; None where nothing is certainly its own."""
    for path in (base_dir / TRASH / runner_id, base_dir / _unpublished(runner_id)):
        if is_taken(path):
            return path
    hidden = inode is not None and is_mount_point(root)
    return root if hidden or is_ours(root, inode, runner_id) else None


def is_ours(root: Path, inode: tuple[int, int] | None, runner_id: str) -> bool:
    """That runner's own directory stands there."""
    whose, _ = marks.whose(root, inode, runner_id)
    return whose is Whose.OURS


def check_ours(root: Path, inode: tuple[int, int] | None, runner_id: str) -> None:
    """Raises ``BackendFailed`` if anything but that runner's own directory stands there."""
    if not is_ours(root, inode, runner_id):
        raise BackendFailed(f"{str(root)!r} is not the directory that was built")


def published(base_dir: Path, name: str, runner_id: str) -> Root | None:
    """What an earlier call for that life gave the runner's name already."""
    whose, found = marks.whose(base_dir / name, None, runner_id)
    return Root(path=base_dir / name, inode=found) if whose is Whose.OURS and found is not None else None


def _unlink_short(path: Path) -> None:
    if path.is_symlink():
        with disk_errors(path):
            path.unlink(missing_ok=True)


def _delete(trash: Path) -> None:
    detach_mounts(trash)
    delete_tree(trash, last=marks.FILE)  # what is left is known by its mark


def is_taken(path: Path) -> bool:
    """Anything at all stands there, also a link to nowhere."""
    return os.path.lexists(path)


def is_at(path: Path, inode: tuple[int, int]) -> bool:
    """That very directory stands there, and no link to it."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        return _inode(descriptor) == inode
    finally:
        os.close(descriptor)


def _taken(path: Path) -> RunnerExists:
    return RunnerExists(
        f"{str(path)!r} exists and was not created by runnerctl", hint="Choose another name, or move that path away"
    )


def _move(root: Path, trash: Path, inode: tuple[int, int]) -> bool:
    """False if another directory was put there between the look and the rename; it is put back."""
    with disk_errors(root):
        trash.parent.mkdir(mode=0o700, exist_ok=True)
        parent = os.open(root.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # A job that runs as ourselves may have taken our rights to its root, and moving it writes its "..".
            make_writable(root.name, parent)
        finally:
            os.close(parent)
        _rename(root, trash)
        if is_at(trash, inode):
            return True
        trash.rename(root)
    return False


def _rename(root: Path, trash: Path) -> None:
    try:
        root.rename(trash)
    except PermissionError:
        parent = os.open(root.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            unprotect(root.name, parent)
        finally:
            os.close(parent)
        root.rename(trash)


def _unpublished(runner_id: str) -> str:
    return f".new-{runner_id}"


def _inode(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def _take_package(root: int, package: Package) -> None:
    source = os.open(package.path, _DIRECTORY)
    try:
        versioned = f"bin.{package.version}"
        share_tree("bin", versioned, source_dir=source, target_dir=root)
        _link("bin", versioned, root)
        _link("externals", str(package.path.absolute() / "externals"), root)
        with os.scandir(source) as entries:
            for entry in entries:
                if entry.name in _SCRIPTS or entry.name.endswith(".template"):
                    with suppress(FileNotFoundError):
                        os.unlink(entry.name, dir_fd=root)
                    copy(entry.name, source, root)
    finally:
        os.close(source)


def _link(name: str, target: str, root: int) -> None:
    """In place of another link, at once."""
    new = f".{name}.{os.urandom(8).hex()}"  # a job may have taken any that it knows
    os.symlink(target, new, dir_fd=root)
    os.rename(new, name, src_dir_fd=root, dst_dir_fd=root)


def _make_own_directories(root: int, owner: tuple[int, int] | None) -> None:
    for name in _OWN:
        _make_own_directory(root, name, owner)


def _make_own_directory(root: int, name: str, owner: tuple[int, int] | None) -> None:
    os.mkdir(name, 0o700, dir_fd=root)
    if owner is not None:
        os.chown(name, *owner, dir_fd=root, follow_symlinks=False)


def _open_to(root: int, owner: tuple[int, int] | None) -> None:
    """The job may add to the root; the sticky bit keeps it from replacing what is ours. Others get nothing: what a job
    makes is often readable by all.
    """
    if owner is None:
        os.fchmod(root, 0o755)
        return
    os.fchown(root, -1, owner[1])
    os.fchmod(root, 0o1770)
