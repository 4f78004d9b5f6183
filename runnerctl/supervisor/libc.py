"""The C library's functions that Python has no name for."""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False  # importing typing would cost memory
if TYPE_CHECKING:
    from collections.abc import Callable

_LIBRARY = ctypes.CDLL(None, use_errno=True)


def function(name: str) -> Callable[..., int]:
    """Takes numbers, bytes (a pointer to them) and None (no pointer), and returns an ``int``; see ``checked``."""
    called = getattr(_LIBRARY, name)

    def call(*arguments: int | bytes | None) -> int:
        # A number fills its register: half of it would leave the other half to chance.
        made: int = called(*[ctypes.c_long(each) if isinstance(each, int) else each for each in arguments])
        return made

    return call


def checked(result: int, what: str) -> int:
    """``result`` of the call just made; raises ``OSError`` naming ``what`` if it failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result
