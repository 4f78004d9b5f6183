"""Places that are our user's own and no business of jobs that run as that user: its home, its sockets."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

_NOBODYS = frozenset(
    map(Path, ("/", "/bin", "/dev", "/etc", "/home", "/nonexistent", "/proc", "/run", "/sbin", "/usr", "/var"))
)
"""Homes of accounts that have none."""


def closed() -> tuple[Path, ...]:
    """Those that are there. With what listens in the last ones a job would start processes that nothing confines."""
    user = os.geteuid()
    sockets = (f"/run/user/{user}", f"/tmp/tmux-{user}")  # noqa: S108 - tmux's own
    return tuple(dict.fromkeys((*_homes(user), *(Path(each) for each in sockets if _is_own(Path(each), user)))))


def _homes(user: int) -> list[Path]:
    """By the account, and by the environment where that names another one of that user's."""
    named = [Path(home) for home in (_account_home(user), os.environ.get("HOME")) if home]
    real = [each.resolve() for each in named if each.is_absolute()]
    return [each for each in real if each not in _NOBODYS and _is_own(each, user)]


def _account_home(user: int) -> str | None:
    try:
        return pwd.getpwuid(user).pw_dir
    except KeyError:
        return None


def _is_own(path: Path, user: int) -> bool:
    try:
        return path.is_dir() and path.stat().st_uid == user
    except OSError:
        return False
