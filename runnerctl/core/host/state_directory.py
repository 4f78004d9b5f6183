"""The state directory: whose it is decides who the manager is.

Root takes its owner's identity before anything in it is opened, so that ``sudo runnerctl`` and the server share one
state; any other user is refused.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from ..domain.errors import ConfigInvalid


def prepare(path: Path, *, make: bool = True) -> None:
    """Makes the directory (0700) if it is missing; becomes its owner if that is another user and we are root.

    Raises ``ConfigInvalid`` naming user, path and mode when it cannot be used.
    """
    try:
        if make:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        seen = path.stat()
    except OSError as exc:
        raise ConfigInvalid(
            f"The state directory {str(path)!r} cannot be used by user {_name(os.geteuid())}: {exc.strerror}",
            hint="Set RUNNERCTL_STATE_DIR to another directory",
        ) from exc
    if seen.st_uid != os.geteuid():
        _become(seen.st_uid, path)
    elif stat.S_IMODE(seen.st_mode) & 0o077:
        path.chmod(0o700)
    if not os.access(path, os.W_OK | os.X_OK):
        mode = stat.S_IMODE(seen.st_mode)
        raise ConfigInvalid(
            f"The state directory {str(path)!r} (mode {mode:04o}) is not writable by user {_name(os.geteuid())}"
        )


def _become(owner: int, path: Path) -> None:
    if os.geteuid() != 0:
        raise ConfigInvalid(
            f"The state directory {str(path)!r} belongs to user {_name(owner)}, not to {_name(os.geteuid())}",
            hint=f"Run as {_name(owner)} or with sudo, or ask the server over HTTP",
        )
    try:
        account = pwd.getpwuid(owner)
    except KeyError as exc:
        raise ConfigInvalid(
            f"The state directory {str(path)!r} belongs to uid {owner}, which is not a user of this host"
        ) from exc
    os.initgroups(account.pw_name, account.pw_gid)
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(owner, owner, owner)
    os.environ.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
