"""Whether requests should come here now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NotRequired, TypedDict

from runnerctl import core
from runnerctl.core import Services
from runnerctl.core.domain.errors import RunnerctlError
from runnerctl.install import own_unit


class Check(TypedDict):
    """One thing that is looked at."""

    name: str
    ok: bool
    reason: str | None
    """What is wrong with it."""


class Ready(TypedDict):
    """Requests should come here."""

    status: Literal["ready"]
    backend: str
    degraded: str | None
    """What jobs are not kept from, and what a restart would not leave alone."""
    orphans: int
    """How many registrations and directories could not be cleared yet."""
    held_back: int
    """In how many scopes nothing is begun without a command for a while."""
    checks: NotRequired[list[Check]]
    """With `verbose`: all that was looked at."""


class NotReady(TypedDict):
    """Requests should not come here now."""

    status: Literal["starting", "stopping", "failing"]
    reason: NotRequired[str]
    silent: NotRequired[list[str]]
    """Threads of which nothing is heard any more."""
    checks: NotRequired[list[Check]]
    """With `verbose`: all that was looked at."""


_SILENT = "No sign of life for over a minute"


@dataclass(kw_only=True)
class Readiness:
    """Ready between the start-up's end and the first word of a stop."""

    services: Services
    started: bool = False
    stopping: bool = False
    silent: Callable[[], Sequence[str]] = tuple
    """The names of threads of which nothing is heard any more."""
    heard: Callable[[], Sequence[str]] = tuple
    """The names of all that are listened for."""

    @property
    def degraded(self) -> str | None:
        """What jobs are not kept from, and what a restart would not leave alone."""
        return "; ".join(filter(None, (self.services.backend.degraded, self._restart))) or None

    @cached_property
    def _restart(self) -> str | None:
        return own_unit.kills_runners() if self.services.backend.name == "process" else None

    def refusal(self) -> NotReady | None:
        """Why not now; None: ready."""
        if self.stopping:
            return {"status": "stopping"}
        if not self.started:
            return {"status": "starting"}
        if (reason := self._store()) is not None:
            return {"status": "failing", "reason": reason}
        if silent := self.silent():
            hung = f"No sign of life from {', '.join(silent)} for over a minute"
            return {"status": "failing", "reason": hung, "silent": list(silent)}
        return None

    def checks(self) -> list[Check]:
        """All that ``refusal`` looks at, one by one."""
        silent = self.silent()
        heard = {name: _SILENT if name in silent else None for name in (*self.heard(), *silent)}
        found = {
            "start": None if self.started else "The server starts",
            "stop": "The server stops" if self.stopping else None,
            "store": self._store(),
            **heard,
        }
        return [{"name": name, "ok": reason is None, "reason": reason} for name, reason in found.items()]

    def _store(self) -> str | None:
        try:
            self.services.store.latest("-")
        except RunnerctlError as exc:
            return exc.message
        return None

    def document(self) -> Ready:
        """Of one that is ready."""
        return {
            "status": "ready",
            "backend": self.services.backend.name,
            "degraded": self.degraded,
            "orphans": sum(self.services.store.count_orphans().values()),
            "held_back": len(core.held_back(self.services)),  # which scopes is not for everybody
        }
