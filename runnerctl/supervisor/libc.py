"""The C library's functions that Python has no name for.

By ``_ctypes`` and not ``ctypes``, whose import costs as much as that of all of our modules together.
"""

from __future__ import annotations

import os
from _ctypes import (
    FUNCFLAG_CDECL,
    FUNCFLAG_PYTHONAPI,
    FUNCFLAG_USE_ERRNO,
    CFuncPtr,
    _SimpleCData,
    dlopen,
    dlsym,
    get_errno,
)

TYPE_CHECKING = False  # importing typing would cost milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable

_BY_ITS_OWN_NAME = 0


class _Long(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "l"


class _Int(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "i"


class _Function(CFuncPtr):
    _flags_ = FUNCFLAG_CDECL | FUNCFLAG_USE_ERRNO
    _restype_ = _Int


class _HoldingInterpreter(CFuncPtr):
    """The interpreter's lock is held on both sides of the call, as it is by ``os.fork``."""

    _flags_ = FUNCFLAG_CDECL | FUNCFLAG_USE_ERRNO | FUNCFLAG_PYTHONAPI
    _restype_ = _Int


_LIBRARY = dlopen(None, _BY_ITS_OWN_NAME)  # type: ignore[arg-type]  # None is the program itself


def function(name: str, *, forks: bool = False) -> Callable[..., int]:
    """Takes numbers, bytes (a pointer to them) and None (no pointer), and returns an ``int``; see ``checked``."""
    address = dlsym(_LIBRARY, name)
    called = _HoldingInterpreter(address) if forks else _Function(address)

    def call(*arguments: int | bytes | None) -> int:
        # A number fills its register: half of it would leave the other half to chance.
        made: int = called(*[_Long(each) if isinstance(each, int) else each for each in arguments])
        return made

    return call


def checked(result: int, what: str) -> int:
    """``result`` of the call just made; raises ``OSError`` naming ``what`` if it failed."""
    if result < 0:
        number = get_errno()
        raise OSError(number, os.strerror(number), what)
    return result
