"""A mount namespace for jobs that run as ourselves, in which what is ours is not there, or cannot be changed.

Landlock says who opens a file. It is not asked when a mode, an owner, a time or an attribute is changed, nor when a
socket's file is connected to: a job that cannot read the key could let everybody else read it. In here our directories
are covered with empty ones, and our files, our programs and what leads to them are mounted read-only; nobody whom
Landlock confines changes a mount any more. Root may make such a namespace as it is, an ordinary user within a user
namespace alone, where others' files look like nobody's. Where neither is to be had, ``refusal`` says so.
"""

from __future__ import annotations

import errno
import os
import stat

import mounts

TYPE_CHECKING = False  # importing typing would cost milliseconds
if TYPE_CHECKING:
    from collections.abc import Iterable

_USED_UP = (errno.ENOSPC, errno.EUSERS, errno.ENOMEM, errno.EAGAIN)
_HELD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Seal:
    """``covered``: directories in whose place an empty one is seen, but for what is ``kept`` in them and ``links`` to
    it. ``kept``: paths, and whether they may be changed. ``unchanged``: paths that are mounted read-only. ``fixed``:
    directories that are so themselves, and not what is in them.
    """

    __slots__ = ("_covered", "_fixed", "_kept", "_links", "_unchanged")

    def __init__(
        self,
        *,
        covered: Iterable[str],
        kept: Iterable[tuple[str, bool]],
        unchanged: Iterable[str],
        fixed: Iterable[str],
        links: Iterable[str],
    ) -> None:
        self._kept = dict(kept)
        self._covered = set(covered) - self._kept.keys()
        self._unchanged = list(unchanged)
        self._fixed = sorted(fixed)
        self._links = list(links)

    def enter(self) -> None:
        """For good, in a child that is about to exec. Raises ``OSError`` naming the path."""
        mounts.separate()
        held = {path: _hold(path) for path in self._kept if os.path.lexists(path)}
        links = {path: os.readlink(path) for path in self._links if os.path.islink(path)}
        if os.geteuid() != 0:
            import ssh_files

            ssh_files.make_own()
        for path in self._fixed:
            _fix(path)
        covers = self._lay(held)
        for path, target in links.items():
            _link(path, target)
        for path in covers:
            mounts.read_only(path, below=False)
        for path in self._unchanged:
            _freeze(path)

    def _lay(self, held: dict[str, int]) -> list[str]:
        """Covers, and what is kept in them; what is covered in that again, and so on. The covers that were laid."""
        laid = []
        for path in sorted({*self._covered, *held}):
            if path in held:
                self._keep(path, held[path])
                os.close(held[path])
            elif os.path.isdir(path):  # not in another cover already
                mounts.cover(path)
                laid.append(path)
        return laid

    def _keep(self, path: str, descriptor: int) -> None:
        may_change = self._kept[path]
        _make_place(path, descriptor)
        mounts.bind(descriptor, path)
        if not may_change:
            mounts.read_only(path, below=True)


def refusal(place: str) -> str | None:
    """Why there can be no such namespace, in the kernel's words; ``place`` is a directory to try it with.

    Raises ``OSError`` where there can be one, and only not now: jobs may have used them up, to have the next start do
    without.
    """
    number = _tried(place)
    if number == 0:
        return None
    if number in _USED_UP and not _are_forbidden():
        raise OSError(number, os.strerror(number), place)
    return os.strerror(number)


def _tried(place: str) -> int:
    """The number of the error. A child tries: what was begun in vain cannot be undone."""
    pid = os.fork()
    if pid == 0:
        status = errno.EPERM
        try:
            status = _try(place)
        finally:
            os._exit(status)
    number = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 0 if number == 0 else max(number, errno.EPERM)


def _are_forbidden() -> bool:
    """An administrator allows none, which the kernel tells as if they were used up."""
    return any(_reads_nought(f"/proc/sys/user/max_{kind}_namespaces") for kind in ("user", "mnt"))


def _reads_nought(path: str) -> bool:
    try:
        with open(path, "rb") as stream:
            return stream.read(16).strip() == b"0"
    except OSError:
        return True  # a kernel without them


def _try(place: str) -> int:
    try:
        mounts.separate()
        mounts.cover(place)
        mounts.read_only(place, below=False)
    except OSError as exc:
        return exc.errno or errno.EPERM
    return 0


def _fix(path: str) -> None:
    """Mode, owner and names of a directory stay; what is in it is mounted once more, as it was."""
    with os.scandir(path) as listed:
        entries = [os.path.join(path, entry.name) for entry in listed if not entry.is_symlink()]
    held = [(entry, _hold(entry)) for entry in entries]
    _freeze(path)
    for entry, descriptor in held:
        mounts.bind(descriptor, entry)
        os.close(descriptor)


def _freeze(path: str) -> None:
    """It, and all in it. What is not there needs none of that."""
    try:
        descriptor = _hold(path)
    except FileNotFoundError:
        return
    mounts.bind(descriptor, path)
    mounts.read_only(path, below=True)
    os.close(descriptor)


def _link(path: str, target: str) -> None:
    if not os.path.lexists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)


def _make_place(path: str, descriptor: int) -> None:
    if os.path.lexists(path):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _hold(path: str) -> int:
    return os.open(path, _HELD)
