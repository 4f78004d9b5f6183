"""The system user and group that the service runs as."""

from __future__ import annotations

import grp
import pwd
import shutil
from pathlib import Path

from .layout import Layout
from .programs import run

COMMENT = "GitHub Actions runners (runnerctl)"
"""How we know an account that we made."""
_NOLOGIN = ("/usr/sbin/nologin", "/sbin/nologin")


def user_id(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def group_id(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def is_ours(name: str) -> bool:
    """Whether there is such a user, made by us and for nothing else."""
    try:
        return pwd.getpwnam(name).pw_gecos.strip(",") == COMMENT
    except KeyError:
        return False


def make_group(name: str) -> None:
    run("groupadd", "--system", name)


def make_user(layout: Layout) -> None:
    """Who can neither log in nor has a home that anything would be written to."""
    shell = next((path for path in _NOLOGIN if Path(path).exists()), shutil.which("false") or "/bin/false")
    options = ("--system", "--no-create-home", "--gid", layout.user, "--home-dir", str(layout.home), "--shell", shell)
    run("useradd", *options, "--comment", COMMENT, layout.user)


def remove_user(name: str) -> None:
    run("userdel", name)


def remove_group(name: str) -> None:
    if group_id(name) is not None:  # some userdel take it along
        run("groupdel", name)
