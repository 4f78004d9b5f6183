"""An attribute that is built when it is first asked for: once, however many threads ask at the same moment.

``functools.cached_property`` builds it in each of them since Python 3.12.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, overload

T = TypeVar("T")
_NOT_BUILT: Any = object()


class Builder(Protocol):
    """Whoever has such attributes."""

    _building: threading.RLock
    """Held while one is built, which may ask for another."""


class built_once(Generic[T]):  # noqa: N801 - a decorator, like property
    """Kept in the instance's ``__dict__`` under its name: taken out of there, it is built anew."""

    def __init__(self, build: Callable[[Any], T]) -> None:
        self._build = build
        self.__doc__ = build.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> built_once[T]: ...
    @overload
    def __get__(self, instance: Builder, owner: type) -> T: ...
    def __get__(self, instance: Builder | None, owner: type) -> built_once[T] | T:
        if instance is None:
            return self
        # Only before it is built: from then on the instance's own attribute is found first.
        with instance._building:
            kept: T = instance.__dict__.get(self._name, _NOT_BUILT)
            if kept is _NOT_BUILT:
                kept = instance.__dict__[self._name] = self._build(instance)
            return kept
