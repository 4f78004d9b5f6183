"""The session keyring: keys that whoever has it may use, whatever its user is by now; keyrings(7)."""

from __future__ import annotations

import errno
import os

import libc

_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271, "s390x": 280}
_JOIN_SESSION_KEYRING = 1
_NOT_THERE = (errno.ENOSYS, errno.EPERM)
"""A kernel without keys, or a container's filter: then jobs have no keys either."""


def leave() -> None:
    """An empty one in its place, before a user is changed: so it is not counted as a job's. Raises ``OSError``."""
    number = _KEYCTL.get(os.uname().machine)
    if number is None:
        return
    try:
        libc.checked(libc.function("syscall")(number, _JOIN_SESSION_KEYRING, None), "session keyring")
    except OSError as exc:
        if exc.errno not in _NOT_THERE:
            raise
