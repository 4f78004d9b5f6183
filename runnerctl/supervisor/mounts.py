"""Mounts, in a namespace of our own. Constants: ``linux/mount.h``, ``linux/sched.h``."""

from __future__ import annotations

import os
import sys

import libc

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_SLAVE = 2, 4, 4096, 16384, 1 << 19
_MOUNT_SETATTR = 442
"""The same number on every architecture; Linux 5.12, older than Landlock."""
_AT_FDCWD, _AT_RECURSIVE, _ATTR_RDONLY, _ATTR_SIZE = -100, 0x8000, 1, 32


def separate() -> None:
    """A mount namespace of our own; for an ordinary user within a user namespace, which has that user alone.

    Raises ``OSError``, and what was begun then is not undone.
    """
    uid, gid = os.geteuid(), os.getegid()
    flags = _CLONE_NEWNS if uid == 0 else _CLONE_NEWNS | _CLONE_NEWUSER
    libc.checked(libc.function("unshare")(flags), "unshare")
    if uid != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            _write(f"/proc/self/{name}", text)
    _mount(None, "/", _MS_REC | _MS_SLAVE)  # what is mounted outside comes in, nothing goes out


def cover(path: str) -> None:
    """An empty directory in its place, that can be written until it is ``read_only``."""
    _mount("tmpfs", path, _MS_NOSUID | _MS_NODEV, kind=b"tmpfs", options=b"mode=0755,size=1m")


def bind(descriptor: int, path: str) -> None:
    """What is open there, and all mounts below it, at ``path``."""
    _mount(f"/proc/self/fd/{descriptor}", path, _MS_BIND | _MS_REC)


def read_only(path: str, *, below: bool) -> None:
    """The mount at ``path``; those ``below`` it, too."""
    attributes = _ATTR_RDONLY.to_bytes(8, sys.byteorder) + bytes(_ATTR_SIZE - 8)
    change = libc.function("syscall")
    flags = _AT_RECURSIVE if below else 0
    libc.checked(change(_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), flags, attributes, _ATTR_SIZE), path)


def _mount(
    source: str | None, target: str, flags: int, *, kind: bytes | None = None, options: bytes | None = None
) -> None:
    place = None if source is None else os.fsencode(source)
    libc.checked(libc.function("mount")(place, os.fsencode(target), kind, flags, options), target)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
