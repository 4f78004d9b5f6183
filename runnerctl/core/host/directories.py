"""Directories we are told to use: usable, or a message that says who could not do what where."""

from __future__ import annotations

import errno
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..domain.errors import BackendFailed, ConfigInvalid, DiskFull

_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def check_directory(path: Path, *, mode: int = 0o755) -> None:
    """Make sure that we can create files in ``path``; a missing one is created. Raises ``ConfigInvalid``."""
    with disk_errors(path):
        try:
            _make(path, mode)
        except (FileExistsError, NotADirectoryError) as exc:
            raise ConfigInvalid(f"{str(path)!r} is not a directory") from exc
    if not os.access(path, os.W_OK | os.X_OK, effective_ids=True):
        raise _unwritable(path)


def check_usable(path: Path) -> bool:
    """Make sure that we can create files in ``path``, or could if it was made; whether it is there. Makes nothing.

    Raises ``ConfigInvalid``.
    """
    top = path.absolute()
    with disk_errors(path):
        while not os.path.lexists(top):  # never raises, unlike Path.exists where we may not look
            top = top.parent
        if not top.is_dir():
            raise ConfigInvalid(f"{str(top)!r} is not a directory")
    if not os.access(top, os.W_OK | os.X_OK, effective_ids=True):
        raise _unwritable(top)
    return top == path.absolute()


def _make(path: Path, mode: int) -> None:
    if path.is_dir():
        return
    _make(path.parent, mode)
    try:
        path.mkdir()
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        path.chmod(mode)  # whatever the umask: jobs of other users must get through


def check_passable(path: Path) -> None:
    """Make sure that every user gets through to what is in ``path``. Raises ``ConfigInvalid`` naming what is shut."""
    for each in (path, *path.parents):
        try:
            mode = each.stat().st_mode
        except FileNotFoundError:
            continue  # it will be made, and passable
        if not mode & stat.S_IXOTH:
            raise ConfigInvalid(
                f"The users that jobs run as cannot enter {str(each)!r} (mode {stat.S_IMODE(mode):04o})",
                hint="Choose another base directory, or chmod o+x that one",
            )


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Says what an ``OSError`` on ``path`` means: disk full, no access, or a failure of its own."""
    try:
        yield
    except OSError as exc:
        if exc.errno in DiskFull.ERRNOS:
            raise DiskFull(
                f"No space is left for {str(path)!r}", hint="Free space, or remove runners and old packages"
            ) from exc
        if exc.errno in _REFUSED:
            raise _unwritable(path) from exc
        raise BackendFailed(f"{str(path)!r} cannot be used: {exc.strerror or exc}") from exc


def user_name() -> str:
    """Whom the kernel checks our accesses for."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # containers run under ids that no passwd file knows
        return f"uid {os.geteuid()}"


def _unwritable(path: Path) -> ConfigInvalid:
    existing = next(candidate for candidate in (path, *path.parents) if _exists(candidate))
    found = existing.lstat()
    what = f"{str(existing)!r} (mode {stat.S_IMODE(found.st_mode):04o}, owner {owner_name(found.st_uid)})"
    message = f"User {user_name()!r} cannot write {what}"
    return ConfigInvalid(
        message if existing == path else f"{str(path)!r} cannot be made: {message}",
        hint="Choose another directory, or give that user access to it",
    )


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return path == path.parent
    return True


def owner_name(uid: int) -> str:
    """The user's name; the number where no account has it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
