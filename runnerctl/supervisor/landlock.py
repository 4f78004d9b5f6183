"""Landlock: for jobs that run as ourselves, the manager's files, and signals and traces to it, are out of reach.

Rules allow, and what is below an allowed directory is allowed: so each directory above a hidden path is opened up into
its entries. What comes into such a directory later stays out of reach, too.
Names are no secret here: every directory may be listed, also a hidden one. The real Listener lists its root and every
directory above it when it starts, and ends with status 1 where it may not (``ValidateExecutePermission`` in
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
_AROUND_IT = (16, 17, 19, 21, 22, 38, 39, 40)
"""Capabilities that lead around Landlock when the manager is root: SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN,
SYS_BOOT, PERFMON (it reads others' environments), BPF, CHECKPOINT_RESTORE. Installing packages needs none of them.
"""
_REPLACED = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EINVAL, errno.EBADFD)
_O_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FIRST = (1 << 13) - 1
_READ_ONLY = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 3


class Confinement:
    """``hidden`` paths are out of reach, but for their names, for ``home``, which is all its own, and for ``shared``,
    which it may read.
    """

    __slots__ = ("hidden", "home", "shared")

    def __init__(self, *, hidden: list[str], home: str, shared: str) -> None:
        self.hidden = [os.path.realpath(path) for path in hidden]
        self.home = home
        self.shared = shared

    def enter(self) -> None:
        """For good, in a child that is about to exec. A kernel without Landlock lets it be. Raises ``OSError``."""
        system_call = libc.function("syscall")
        version = system_call(_CREATE, None, 0, _VERSION)
        if version < 1:
            return
        handled = _FIRST | (_REFER if version > 1 else 0) | (_TRUNCATE if version > 2 else 0)
        handled |= _IOCTL_DEV if version > 4 else 0
        # Access to files, to ports, and scopes; an older kernel knows fewer of them.
        words = (handled, 0, _SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if version > 5 else 0)
        attributes = b"".join(map(_word, words[: 1 if version < 4 else 2 if version < 6 else 3]))
        rules = _Rules(libc.checked(system_call(_CREATE, attributes, len(attributes), 0), _NAME))
        rules.allow("/", _READ_DIR)
        self._allow_around(rules, "/", handled)
        rules.allow(self.home, handled)
        rules.allow_if_there(self.shared, handled & _READ_ONLY)
        prctl = libc.function("prctl")
        if os.geteuid() == 0:
            for capability in _AROUND_IT:
                prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # what this kernel does not know is not to be had either
        libc.checked(prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), _NAME)
        libc.checked(system_call(_RESTRICT_SELF, rules.descriptor, 0), _NAME)
        os.close(rules.descriptor)

    def _allow_around(self, rules: _Rules, path: str, access: int) -> None:
        """All of ``path`` but what is hidden. A link is nothing by itself: where it leads has a rule of its own."""
        inside = path.rstrip("/") + "/"
        try:
            with os.scandir(path) as listed:
                entries = [(inside + entry.name, entry.is_dir()) for entry in listed if not entry.is_symlink()]
        except OSError:
            return
        for entry, is_directory in entries:
            if entry in self.hidden:
                continue  # with all below it, also where that is named once more
            if any(hidden.startswith(entry + "/") for hidden in self.hidden):
                self._allow_around(rules, entry, access)
            else:
                rules.allow_if_there(entry, access if is_directory else access & _OF_FILES)


class _Rules:
    """A ruleset of the kernel's in the making."""

    __slots__ = ("_add", "descriptor")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._add = libc.function("syscall")

    def allow(self, path: str, access: int) -> None:
        descriptor = os.open(path, _O_PATH)
        try:
            rule = _word(access) + descriptor.to_bytes(4, sys.byteorder)
            libc.checked(self._add(_ADD_RULE, self.descriptor, _PATH_BENEATH, rule, 0), path)
        finally:
            os.close(descriptor)

    def allow_if_there(self, path: str, access: int) -> None:
        """What is gone by now, or was replaced by something of another kind, is out of reach then."""
        try:
            self.allow(path, access)
        except OSError as exc:
            if exc.errno not in _REPLACED:
                raise


def _word(number: int) -> bytes:
    return number.to_bytes(8, sys.byteorder)
