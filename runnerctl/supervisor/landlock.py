"""Landlock: whoever enters a ruleset opens no file but what that allows, and signals and traces none outside.

Rules allow, and what is below an allowed directory is allowed: so each directory above a walled-off path is opened up
into its entries. What comes into such a directory later stays out of reach, too.
Names are no secret here: every directory may be listed, also a walled-off one. The real Listener lists its root and
every directory above it when it starts, and ends with status 1 where it may not (``ValidateExecutePermission`` in
actions/runner, src/Runner.Sdk/Util/IOUtil.cs).
Constants and layouts: ``linux/landlock.h``, https://docs.kernel.org/userspace-api/landlock.html.
"""

from __future__ import annotations

import errno
import os
import sys

import libc

_CREATE, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same numbers on every architecture."""
_VERSION = 1
_NAME = "Landlock"
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 38, 24
_AROUND_IT = (2, 16, 17, 19, 21, 22, 38, 39, 40)
"""Capabilities that lead around Landlock when the manager is root: DAC_READ_SEARCH (it opens files by handle, wherever
they are mounted), SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, PERFMON (it reads others' environments), BPF,
CHECKPOINT_RESTORE. Installing packages needs none of them.
"""
_REPLACED = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EINVAL, errno.EBADFD)
_O_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FIRST = (1 << 13) - 1
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 3


def version() -> int:
    """The kernel's; below 1 it has none."""
    return libc.function("syscall")(_CREATE, None, 0, _VERSION)


class Ruleset:
    """What will be allowed of all that ``version`` of the kernel's Landlock can deny. Raises ``OSError``."""

    __slots__ = ("_add", "_descriptor", "everything", "read_only")

    def __init__(self, version: int) -> None:
        self.everything = _FIRST | (_REFER if version > 1 else 0) | (_TRUNCATE if version > 2 else 0)
        self.everything |= _IOCTL_DEV if version > 4 else 0
        self.read_only = _EXECUTE | _READ_FILE | _READ_DIR
        # Access to files, to ports, and scopes; an older kernel knows fewer of them.
        words = (self.everything, 0, _SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if version > 5 else 0)
        attributes = b"".join(map(_word, words[: 1 if version < 4 else 2 if version < 6 else 3]))
        self._add = libc.function("syscall")
        self._descriptor = libc.checked(self._add(_CREATE, attributes, len(attributes), 0), _NAME)
        self._allow("/", _READ_DIR)

    def allow(self, path: str, access: int, *, but: set[str]) -> None:
        """All of ``path`` but what is walled off in it. A link is nothing by itself: where it leads has a rule of its
        own. What is walled off is so with all below it, also where that is named once more.
        """
        self._allow_around(path, access, but, is_directory=os.path.isdir(path))

    def _allow_around(self, path: str, access: int, walls: set[str], *, is_directory: bool) -> None:
        inside = path.rstrip("/") + "/"
        within = {wall for wall in walls if wall.startswith(inside)}
        if not within:
            self._allow_if_there(path, access if is_directory else access & _OF_FILES)
            return
        try:
            with os.scandir(path) as listed:
                entries = [(inside + entry.name, entry.is_dir()) for entry in listed if not entry.is_symlink()]
        except OSError:
            return
        for entry, entry_is_directory in entries:
            if entry not in within:
                self._allow_around(entry, access, within, is_directory=entry_is_directory)

    def enter(self) -> None:
        """For good, and with it no program gives more rights than we have."""
        prctl = libc.function("prctl")
        if os.geteuid() == 0:
            for capability in _AROUND_IT:
                prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # what this kernel does not know is not to be had either
        libc.checked(prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), _NAME)
        libc.checked(libc.function("syscall")(_RESTRICT_SELF, self._descriptor, 0), _NAME)
        os.close(self._descriptor)

    def _allow_if_there(self, path: str, access: int) -> None:
        """What is gone by now, or was replaced by something of another kind, is out of reach then."""
        try:
            self._allow(path, access)
        except OSError as exc:
            if exc.errno not in _REPLACED:
                raise

    def _allow(self, path: str, access: int) -> None:
        descriptor = os.open(path, _O_PATH)
        try:
            rule = _word(access) + descriptor.to_bytes(4, sys.byteorder)
            libc.checked(self._add(_ADD_RULE, self._descriptor, _PATH_BENEATH, rule, 0), path)
        finally:
            os.close(descriptor)


def _word(number: int) -> bytes:
    return number.to_bytes(8, sys.byteorder)
