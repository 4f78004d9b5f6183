"""What GitHub has to say before a runner is started again: that its repository is not public, that it is registered."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...domain.errors import InvalidTransition
from ..github_side import exposure, registration
from ..github_side.tenant_calls import charged_to

if TYPE_CHECKING:
    from ...access.grants import TokenLimits
    from ...domain.models import Runner
    from ...services import Services
    from .operation import Question


class MayStart:
    """For one operation. What GitHub does not say keeps nobody from starting, except one that was found exposed."""

    def __init__(self, services: Services, limits: TokenLimits | None = None) -> None:
        """``limits`` are the caller's: what is asked for a tenant is of its budget."""
        self._services = services
        self._tenant = None if limits is None else limits.tenant
        self._asked: tuple[str, int | None] | None = None
        self._gone = False

    def question(self, runner: Runner, *, registered: bool = True) -> Question | None:
        """What is still to be asked about it; with ``registered`` also whether GitHub knows it. None: nothing.

        Asking raises ``Forbidden`` for one whose repository is public and may not be, and what GitHub raises then;
        ``TooManyRequests`` for a tenant that has asked GitHub too often.
        """
        unasked = registered and not self._is_answered(runner)
        return partial(self._ask, runner, registered=unasked) if unasked or runner.exposed_at is not None else None

    def _is_answered(self, runner: Runner) -> bool:
        """An ephemeral one has not been alone for long, and of one without an id GitHub has nothing for certain."""
        return runner.ephemeral or runner.github_id is None or self._asked == (runner.id, runner.github_id)

    def _ask(self, runner: Runner, *, registered: bool) -> None:
        if self._tenant is not None:
            an_hour = self._services.settings.server.github_calls
            self._services.store.check_calls(self._tenant, an_hour=an_hour)
        with charged_to(self._services, self._tenant):
            self._ask_github(runner, registered=registered)

    def _ask_github(self, runner: Runner, *, registered: bool) -> None:
        exposure.check_again(self._services, runner)
        if registered:
            self._gone = registration.is_gone(self._services, runner)
            self._asked = runner.id, runner.github_id

    def is_registered(self, runner: Runner) -> bool:
        """A persistent one has been alone for long: its Listener would only find out that it is not, and end."""
        if runner.ephemeral:
            return True
        return runner.github_id is not None and not (self._gone and self._asked == (runner.id, runner.github_id))

    def check_registered(self, runner: Runner) -> None:
        """Raises ``InvalidTransition`` when GitHub has said that it has none of it."""
        if not self.is_registered(runner):
            raise InvalidTransition(
                f"The registration of runner {runner.name!r} is gone: GitHub does not know it any more",
                hint="Start it with --register (HTTP: ?register=true) to register it anew, or remove it",
            )
