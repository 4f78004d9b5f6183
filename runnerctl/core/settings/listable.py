"""The directories above a runner, which its Listener lists one by one when it starts.

One that jobs may pass and not read ends the Listener with status 1 (``ValidateExecutePermission`` in actions/runner,
src/Runner.Sdk/Util/IOUtil.cs: the runner's root, its work directory, and all above both up to ``/``). So it is found
out before GitHub is asked for anything.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from ..domain.errors import ConfigInvalid
from ..host.directories import owner_name, user_name
from ..host.job_users import JobUser, groups
from .load import Settings
from .run_as import check_job_users

_R_X = stat.S_IROTH | stat.S_IXOTH
_AS_THAT_USER = """\
import os, sys
uid, gid, groups, *paths = sys.argv[1:]
os.setgroups([int(each) for each in groups.split(",") if each])
os.setresgid(int(gid), int(gid), int(gid))
os.setresuid(int(uid), int(uid), int(uid))
for each in paths:
    os.open(each + "/.", os.O_RDONLY | os.O_DIRECTORY)
"""
_UNITS_DO_NOT_SEE = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108 - named, not used
"""``ProtectHome`` and ``PrivateTmp`` of the runners' units put others in their place."""


def check(settings: Settings, *, units: bool) -> None:
    """Raises ``ConfigInvalid`` naming the first directory that jobs, as the user they will be, could not list.

    ``units``: runners are units of systemd.
    """
    if units:
        _check_units(settings.base_dir, (settings.state_dir,), groups(settings.run_as_groups or ()))
    elif (users := check_job_users(settings)) is not None:
        _check_users(settings.base_dir, users, groups(settings.run_as_groups or ()))
    else:
        _refuse_first(settings.base_dir, user_name(), _may_we)


def _check_units(base_dir: Path, hidden: tuple[Path, ...], group_ids: tuple[int, ...]) -> None:
    base = base_dir.resolve()
    for above in (*_UNITS_DO_NOT_SEE, *(each.resolve() for each in hidden)):
        if base.is_relative_to(above):
            raise ConfigInvalid(
                f"Runners that are systemd units cannot see {str(above)!r}, and the base directory is below it",
                hint="Choose another base directory (defaults.base_dir), such as /opt/runnerctl/runners",
            )
    # systemd picks the user, who owns nothing there and is in no group but its own.
    _refuse_first(base_dir, "the users of units", lambda path: _allows(path.stat(), None, group_ids))


def _check_users(base_dir: Path, users: tuple[JobUser, ...], group_ids: tuple[int, ...]) -> None:
    """By the modes; where those say no, an access list may say yes, and the kernel is asked as that user."""
    for user in users:
        if all(_allows(path.stat(), user, group_ids) for path in _above(base_dir)):
            continue
        if not _kernel_allows(base_dir, user, group_ids):
            _refuse_first(base_dir, f"user {owner_name(user.uid)!r}", _by_modes(user, group_ids))


def _by_modes(user: JobUser, group_ids: tuple[int, ...]) -> Callable[[Path], bool]:
    return lambda path: _allows(path.stat(), user, group_ids)


def _above(base_dir: Path) -> Iterator[Path]:
    """What there is of it, the outermost first; what is missing will be made, and readable for all."""
    for path in reversed((base_dir.resolve(), *base_dir.resolve().parents)):
        try:
            if not stat.S_ISDIR(path.stat().st_mode):
                return
        except FileNotFoundError:
            return
        yield path


def _refuse_first(base_dir: Path, who: str, may: Callable[[Path], bool]) -> None:
    for path in _above(base_dir):
        if not may(path):
            _refuse(path, who)


def _refuse(path: Path, who: str) -> None:
    found = path.stat()
    raise ConfigInvalid(
        f"Jobs run as {who} and cannot list {str(path)!r} (mode {stat.S_IMODE(found.st_mode):04o}, owner"
        f" {owner_name(found.st_uid)}): the runner must be able to list every directory above its own",
        hint=f"chmod o+rx {path}, or choose another base directory (defaults.base_dir)",
    )


def _may_we(path: Path) -> bool:
    try:
        os.close(os.open(path / ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _allows(found: os.stat_result, user: JobUser | None, group_ids: tuple[int, ...]) -> bool:
    if user is not None and found.st_uid == user.uid:
        wanted = _R_X << 6
    elif found.st_gid in ((*group_ids, user.gid) if user is not None else group_ids):
        wanted = _R_X << 3
    else:
        wanted = _R_X
    return found.st_mode & wanted == wanted


def _kernel_allows(base_dir: Path, user: JobUser, group_ids: tuple[int, ...]) -> bool:
    # It drops to the user by itself: who need not be able to reach this interpreter.
    whom = (str(user.uid), str(user.gid), ",".join(map(str, group_ids)))
    argv = [sys.executable, "-I", "-S", "-c", _AS_THAT_USER, *whom, *map(str, _above(base_dir))]
    return subprocess.run(argv, cwd="/", env={}, capture_output=True, check=False).returncode == 0
