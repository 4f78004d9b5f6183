"""How the sandbox misbehaves on request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import msgspec


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """What goes wrong with the calls that match.

    ``match`` is a part of, or a regular expression found in, ``METHOD /path``. REST paths may be written with
    or without ``/api/v3``. A fault with ``times`` is used up by so many calls; the first fault that matches
    takes the call. Everything below ``/sandbox/control/`` is exempt.
    """

    match: str
    status: int | None = None
    """Answer this instead of handling the call."""
    body: str | dict[str, Any] | list[Any] | None = None
    """Goes with ``status``; a string is sent as it is."""
    headers: dict[str, str] = {}
    delay: float = 0.0
    """Seconds by which the answer is late. The call itself is handled at once: who gives up has been registered."""
    drop: bool = False
    """Close the connection before the call is handled."""
    lost_answer: bool = False
    """Handle the call, then close the connection without an answer."""
    cut_after: int | None = None
    """Close the connection after so many bytes of a download, or of any other answer."""
    rate_limit: Literal[False, "primary", "secondary"] = False
    retry_after: int = 60
    """Goes with ``rate_limit``: seconds that GitHub asks to wait."""
    times: int | None = 1
    """How many calls it takes; None is all of them."""

    def __post_init__(self) -> None:
        try:
            re.compile(self.match)
        except re.error as exc:
            raise ValueError(f"Fault match {self.match!r} is not a regular expression: {exc}") from exc

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.match)

    def matches(self, method: str, path: str) -> bool:
        written = (f"{method} {path}", f"{method} {path.removeprefix('/api/v3')}")
        return any(self.match in text or self._pattern.search(text) for text in written)


@dataclass(kw_only=True)
class Knobs:
    """What is turned for all calls alike."""

    delay_all: float = 0.0
    """Seconds that every REST call takes longer."""
    idle_lie: bool = False
    """Runners are shown as not busy, and DELETE answers 204, while a job runs."""
    dispatch_on_delete: bool = False
    """Jobs wait until a runner that could run them is deleted: it is then handed one although DELETE answers 204."""
    should_acknowledge: bool = True
    """Runners are asked to acknowledge a job before they acquire it."""
    require_fips: bool = True
    """Runners that are registered from now on sign with PS256, else with RS256."""
    clock_offset: float = 0.0
    """Seconds by which GitHub's clock is ahead of ours; raising it expires tokens."""
    deprecations: bool = True
    """GitHub tells when versions end; without it is like an Enterprise Server, which answers 404."""
    registration_minimum: str = "2.329.0"
    """config.sh of an older version is refused."""


@dataclass
class _Armed:
    fault: Fault
    left: int | None


class Faults:
    """The faults that wait for their call, first come first served."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def add(self, fault: Fault) -> None:
        self._armed.append(_Armed(fault, fault.times))

    def clear(self) -> None:
        self._armed.clear()

    def waiting(self) -> list[Fault]:
        return [msgspec.structs.replace(armed.fault, times=armed.left) for armed in self._armed]

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this call, counted down."""
        armed = next(self._matching(method, path), None)
        if armed is None:
            return None
        if armed.left is not None:
            armed.left -= 1
            self._armed = [other for other in self._armed if other.left != 0]
        return armed.fault

    def _matching(self, method: str, path: str) -> Iterator[_Armed]:
        return (armed for armed in self._armed if armed.fault.matches(method, path))
