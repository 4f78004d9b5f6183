"""What GitHub's word about a runner leads to: another version, or its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import registration
from ..renewal import renew_version
from .removing import end

if TYPE_CHECKING:
    from ...services import Services
    from ..making import Making
    from ..plan import Action, Seen


def confirm(services: Services, seen: Seen, action: Action, making: Making | None) -> None:
    """A list may be wrong for a while: what is persistent is not deleted on its word. Raises ``GitHubError``."""
    if registration.exists(services, seen.runner):
        services.store.note_absences({}, seen=[seen.runner.id])
    else:
        end(services, seen, action, making)


def renew(services: Services, seen: Seen, action: Action, making: Making | None) -> None:
    """GitHub refuses its version: it gets the one that is offered, and is started again."""
    renew_version(services, seen, action, making)
