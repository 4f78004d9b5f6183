"""User namespaces that a job's user made: who lives in one is that user's, whatever uid is shown for it."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Collection, Iterator
from pathlib import Path

_GET_OWNER_UID = 0xB704
"""``NS_GET_OWNER_UID`` of ioctl_ns(2)."""


def inhabitants(uids: Collection[int]) -> list[int]:
    """The pids of those that live in a user namespace of one of those users."""
    ours = _namespace("self")
    owners: dict[str, bool] = {}
    found = []
    for pid in _pids():
        namespace = _namespace(pid)
        if namespace in {"", ours}:
            continue
        if namespace not in owners:
            owners[namespace] = _owner(pid) in uids
        if owners[namespace]:
            found.append(int(pid))
    return found


def _namespace(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/user")  # noqa: PTH115 - asked of every process there is
    except OSError:
        return ""


def _owner(pid: str) -> int | None:
    try:
        descriptor = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        answer = fcntl.ioctl(descriptor, _GET_OWNER_UID, struct.pack("I", 0))
        return int(struct.unpack("I", answer)[0])
    except OSError:
        return None  # of a namespace that is not below ours
    finally:
        os.close(descriptor)


def _pids() -> Iterator[str]:
    return (name for name in os.listdir(Path("/proc")) if name.isdigit())  # noqa: PTH208 - names are all that is wanted
