"""Landlock: for jobs that run as ourselves, the manager's files, and signals and traces to it, are out of reach.

Rules allow, and what is below an allowed directory is allowed: so each directory above a hidden path is opened up into
its entries. What comes into such a directory later, and its list of names, stays out of reach, too.
Constants and layouts: ``linux/landlock.h``, https://docs.kernel.org/userspace-api/landlock.html.
"""

from __future__ import annotations

import ctypes
import os
import stat

_CREATE, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same numbers on every architecture."""
_VERSION = 1
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 38, 24
_AROUND_IT = (16, 17, 19, 21, 22, 38, 39, 40)
"""Capabilities that lead around Landlock when the manager is root: SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN,
SYS_BOOT, PERFMON (it reads others' environments), BPF, CHECKPOINT_RESTORE. Installing packages needs none of them.
"""
_O_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FIRST = (1 << 13) - 1
_READ_ONLY = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 3


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


class Confinement:
    """``hidden`` paths are out of reach, but for ``home``, which is all its own, and ``shared``, which it may read."""

    __slots__ = ("hidden", "home", "shared")

    def __init__(self, *, hidden: list[str], home: str, shared: str) -> None:
        self.hidden = [os.path.realpath(path) for path in hidden]
        self.home = home
        self.shared = shared

    def enter(self) -> None:
        """For good, in a child that is about to exec. A kernel without Landlock lets it be. Raises ``OSError``."""
        version = _call(_CREATE, None, 0, _VERSION)
        if version < 1:
            return
        handled = _FIRST | (_REFER if version > 1 else 0) | (_TRUNCATE if version > 2 else 0)
        handled |= _IOCTL_DEV if version > 4 else 0
        rules = _Ruleset(handled, 0, _SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if version > 5 else 0)
        size = 8 if version < 4 else 16 if version < 6 else 24
        ruleset = _checked(_call(_CREATE, ctypes.byref(rules), size, 0))
        self._allow_around(ruleset, "/", handled)
        _allow(ruleset, self.home, handled)
        _allow(ruleset, self.shared, handled & _READ_ONLY)
        if os.geteuid() == 0:
            for capability in _AROUND_IT:
                _prctl(_PR_CAPBSET_DROP, capability)  # one that this kernel does not know is not to be had either
        _checked(_prctl(_PR_SET_NO_NEW_PRIVS, 1))
        _checked(_call(_RESTRICT_SELF, ruleset, 0))
        os.close(ruleset)

    def _allow_around(self, ruleset: int, path: str, access: int) -> None:
        """All of ``path`` but what is hidden."""
        if path in self.hidden:
            return
        inside = path.rstrip("/") + "/"
        if not any(hidden.startswith(inside) for hidden in self.hidden):
            _allow(ruleset, path, access)
            return
        try:
            names = os.listdir(path)
        except OSError:
            return
        for name in names:
            self._allow_around(ruleset, inside + name, access)


def _allow(ruleset: int, path: str, access: int) -> None:
    """A link is nothing by itself: where it leads has a rule of its own. What is gone by now needs none."""
    try:
        descriptor = os.open(path, _O_PATH)
    except OSError:
        return
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISLNK(mode):
            rule = _PathBeneath(access if stat.S_ISDIR(mode) else access & _OF_FILES, descriptor)
            _checked(_call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    made: int = _libc().syscall(ctypes.c_long(number), *map(_wide, arguments))
    return made


def _wide(argument: object) -> object:
    """A number fills the register: half of it would leave the other half to chance."""
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def _prctl(option: int, argument: int) -> int:
    made: int = _libc().prctl(option, *map(ctypes.c_ulong, (argument, 0, 0, 0)))
    return made


def _libc() -> ctypes.CDLL:
    """Loaded once: hundreds of rules are added in the path of a start."""
    global _loaded  # noqa: PLW0603
    if _loaded is None:
        _loaded = ctypes.CDLL(None, use_errno=True)
    return _loaded


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "Landlock")
    return result


_loaded: ctypes.CDLL | None = None
