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


class NotReady(TypedDict):
    """Requests should not come here now."""

    status: Literal["starting", "stopping", "failing"]
    reason: NotRequired[str]
    silent: NotRequired[list[str]]
    """Threads of which nothing is heard any more."""


@dataclass(kw_only=True)
class Readiness:
    """Ready between the start-up's end and the first word of a stop."""

    services: Services
    started: bool = False
    stopping: bool = False
    silent: Callable[[], Sequence[str]] = tuple
    """The names of threads of which nothing is heard any more."""

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
        try:
            self.services.store.latest("-")
        except RunnerctlError as exc:
            return {"status": "failing", "reason": exc.message}
        if silent := self.silent():
            hung = f"No sign of life from {', '.join(silent)} for over a minute"
            return {"status": "failing", "reason": hung, "silent": list(silent)}
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
