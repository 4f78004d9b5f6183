"""Whether requests should come here now."""

from __future__ import annotations

from dataclasses import dataclass

from runnerctl import core
from runnerctl.core.errors import RunnerctlError
from runnerctl.core.services import Services


@dataclass(kw_only=True)
class Readiness:
    """Ready between the start-up's end and the first word of a stop."""

    services: Services
    started: bool = False
    stopping: bool = False

    def document(self) -> dict[str, object]:
        """``{"status": "ready" | "starting" | "stopping" | "failing", …}``."""
        if self.stopping:
            return {"status": "stopping"}
        if not self.started:
            return {"status": "starting"}
        try:
            self.services.store.latest("-")
        except RunnerctlError as exc:
            return {"status": "failing", "reason": exc.message}
        return {
            "status": "ready",
            "backend": self.services.backend.name,
            "degraded": self.services.backend.degraded,
            "orphans": len(self.services.store.orphans()),
            "held_back": len(core.held_back(self.services)),  # which scopes is not for everybody
        }
