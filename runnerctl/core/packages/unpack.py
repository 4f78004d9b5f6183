"""Unpacks a runner archive, and only that: nothing is written outside, nothing special is created.

``tarfile``'s ``data`` filter is the second line of defence, where there is one: Python 3.11.2, Debian 12's own, has
none. The first is here, for all: the filter strips the slash of an absolute path instead of refusing it, and older
Pythons let it be fooled by links that lead through links.
"""

from __future__ import annotations

import copy
import errno
import gzip
import os
import stat
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ..domain.errors import PackageInvalid
from ..host.directories import disk_errors

MAX_MEMBERS = 100_000
MAX_BYTES = 8 * 1024**3

_LISTENER = "bin/Runner.Listener"
_OF_NAMES = {errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EILSEQ}
"""What a file system says of a name that it cannot hold."""

Filter = Callable[[tarfile.TarInfo, str], tarfile.TarInfo | None]
FILTER: Filter | None = getattr(tarfile, "data_filter", None)
"""The Python's own, if it has one."""


def unpack(
    archive: Path,
    directory: Path,
    *,
    max_members: int = MAX_MEMBERS,
    max_bytes: int = MAX_BYTES,
    second: Filter | None = FILTER,
) -> None:
    """Unpack the ``.tar.gz`` into the empty ``directory``; ``second`` has a look at what was allowed here.

    Raises ``PackageInvalid``, naming the member that is refused, or ``DiskFull``.
    """
    contents = _Contents(archive.name, max_members=max_members, max_bytes=max_bytes)
    with disk_errors(directory):
        try:
            with tarfile.open(archive, "r:gz") as tar:
                # As an attribute: a Python without filters leaves it alone, the argument would be its TypeError.
                tar.extraction_filter = second or _as_it_is
                for member in tar:
                    contents.check(member)
                    tar.extract(_tamed(member), directory)
                # gzip compares its checksum at the end, which tar does not read up to.
                while tar.fileobj is not None and tar.fileobj.read(1024 * 1024):
                    pass
        # ValueError: a zero in a name, a size that is no number; tarfile passes on what int() and open() say of it.
        except (EOFError, tarfile.TarError, gzip.BadGzipFile, zlib.error, ValueError, OverflowError) as exc:
            raise _unreadable(archive.name, exc) from exc
        except OSError as exc:
            if exc.errno not in _OF_NAMES:
                raise
            raise _unreadable(archive.name, exc) from exc
    _check_listener(archive.name, directory)


def _as_it_is(member: tarfile.TarInfo, _directory: str) -> tarfile.TarInfo:
    return member


def _tamed(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The member as the ``data`` filter would leave it: ours, writable for us alone, without setuid and the like.

    A copy: hard links to it are looked up in the archive by what the archive says.
    """
    tamed = copy.copy(member)
    tamed.uid, tamed.gid, tamed.uname, tamed.gname = os.geteuid(), os.getegid(), "", ""
    executable = member.isdir() or member.mode & stat.S_IXUSR
    tamed.mode = member.mode & (0o755 if executable else 0o644) | (0o700 if member.isdir() else 0o600)
    return tamed


class _Contents:
    """What an archive may hold, member by member."""

    def __init__(self, archive: str, *, max_members: int, max_bytes: int) -> None:
        self._archive = archive
        self._members_left = max_members
        self._bytes_left = max_bytes
        self._kinds: dict[str, bytes] = {}

    def check(self, member: tarfile.TarInfo) -> None:
        """Raises ``PackageInvalid`` if the member must not be unpacked after those seen before."""
        problem = self._size_problem(member) or self._path_problem(member) or self._kind_problem(member)
        if problem:
            raise PackageInvalid(f"{self._archive!r} is refused: member {member.name[:200]!r} {problem}")
        self._kinds[_normal(member.name)] = member.type

    def _size_problem(self, member: tarfile.TarInfo) -> str | None:
        self._members_left -= 1
        self._bytes_left -= member.size
        if self._members_left < 0:
            return "is one too many"
        return "makes it too large" if self._bytes_left < 0 else None

    def _path_problem(self, member: tarfile.TarInfo) -> str | None:
        path = PurePosixPath(member.name)
        if path.is_absolute():
            return "has an absolute path"
        if not path.parts and not member.isdir():
            return "has no name"
        if ".." in path.parts:
            return "leaves the archive"
        if any(self._kinds.get(str(parent), tarfile.DIRTYPE) != tarfile.DIRTYPE for parent in path.parents):
            return "lies below something that is not a directory"
        before = self._kinds.get(_normal(member.name))
        if before is not None and not (before == tarfile.DIRTYPE and member.isdir()):
            return "comes twice"
        return None

    def _kind_problem(self, member: tarfile.TarInfo) -> str | None:
        if member.issym():
            return None if _stays_inside(member.name, member.linkname) else "links out of the archive"
        if member.islnk():
            target = self._kinds.get(_normal(member.linkname))
            return None if target in tarfile.REGULAR_TYPES else "is a hard link to no file of the archive"
        return None if member.isdir() or member.isreg() else "is neither file, directory nor link"


def _normal(name: str) -> str:
    return str(PurePosixPath(name))


def _stays_inside(name: str, target: str) -> bool:
    """A symlink may first go up, at most to the top, and then only down: the way it then takes can be read off it."""
    if target.startswith("/") or not target:
        return False
    parts = PurePosixPath(target).parts
    ups = next((index for index, part in enumerate(parts) if part != ".."), len(parts))
    return ups < len(PurePosixPath(name).parts) and ".." not in parts[ups:]


def _check_listener(archive: str, directory: Path) -> None:
    try:
        mode = (directory / _LISTENER).lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = 0
    if not stat.S_ISREG(mode) or not mode & stat.S_IXUSR or (directory / "bin").is_symlink():
        raise PackageInvalid(f"{archive!r} is no runner package: it has no executable {_LISTENER!r}")


def _unreadable(archive: str, exc: Exception) -> PackageInvalid:
    if isinstance(exc, EOFError) or "unexpected end of data" in str(exc):
        return PackageInvalid(f"{archive!r} is truncated", hint="Try again: the package is downloaded again")
    return PackageInvalid(f"{archive!r} is not a readable .tar.gz: {exc}")
