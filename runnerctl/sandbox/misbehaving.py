"""How a sandbox is made to misbehave from outside, and what it has seen."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Generic, TypeVar

from .faults import Fault
from .state import GitHub
from .tokens import TokenKind
from .values import Call
from .version_ends import Ends

T = TypeVar("T")


class Knob(Generic[T]):
    """One of the ``Knobs``, as an attribute."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, sandbox: Misbehaving, owner: type) -> T:
        value: T = getattr(sandbox._github.knobs, self._name)
        return value

    def __set__(self, sandbox: Misbehaving, value: T) -> None:
        setattr(sandbox._github.knobs, self._name, value)


class Misbehaving:
    """The part of ``Sandbox`` that is about faults. What each knob does is said in ``Knobs``."""

    idle_lie = Knob[bool]()
    dispatch_on_delete = Knob[bool]()
    should_acknowledge = Knob[bool]()
    require_fips = Knob[bool]()
    delay_all = Knob[float]()
    clock_offset = Knob[float]()
    deprecations = Knob[bool]()
    registration_minimum = Knob[str]()

    def __init__(self, github: GitHub) -> None:
        self._github = github
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def calls(self) -> list[Call]:
        """The REST calls so far, oldest first."""
        return list(self._github.calls)

    @property
    def violations(self) -> list[str]:
        """What runners did in strict mode that the real one does not do."""
        return list(self._github.violations)

    def forgive(self) -> list[str]:
        """The violations so far, which are then forgotten: for who has provoked them."""
        forgiven = self.violations
        self._ask(self._github.violations.clear)
        return forgiven

    def add_fault(self, fault: Fault) -> None:
        self._ask(lambda: self._github.faults.add(fault))

    def clear_faults(self) -> None:
        self._ask(self._github.faults.clear)

    @property
    def minimum_version(self) -> str:
        """Older runners get no messages from now on."""
        return self._github.settings.minimum_version

    @minimum_version.setter
    def minimum_version(self, version: str) -> None:
        self._github.settings = dataclasses.replace(self._github.settings, minimum_version=version)

    def end_version(self, version: str, *, runtime: float | None = None, registration: float | None = None) -> None:
        """From these times on, in seconds since the epoch, it gets no messages and cannot register; None: no end."""
        ends = Ends(runtime_at=runtime, registration_at=registration)
        self._ask(lambda: self._github.version_ends.set(version, ends))

    def revoke_tokens(self) -> None:
        """All installation tokens are worth nothing from now on."""
        self._ask(lambda: self._github.tokens.forget_all(TokenKind.INSTALLATION))

    def _ask(self, look: Callable[[], T]) -> T:
        """Calls it in the server's thread: nobody else touches what GitHub knows."""
        if self._loop is None:
            return look()

        async def call() -> T:
            return look()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()
