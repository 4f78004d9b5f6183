"""Until there is a session: connecting, and what makes it worth another try."""

from __future__ import annotations

from .. import pace
from ..github import calls, http1
from ..github.oauth import InvalidClient
from ..host.terminal import complain, say, success, timestamp
from .broker import Denied, SessionConflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..host.waiting import Signals
    from .broker import Broker

_RETRY_SECONDS = 30
_CONFLICT_SECONDS = 240
_SKEW = "Current server time is"
_SKEW_SECONDS = 30 * 60


class CannotConnect(Exception):
    """No session to be had: exit status 1. All is said already."""


class Occupied(Exception):
    """Somebody else has kept the session for too long: exit status 5. All is said already."""


class Connecting:
    """The retry counts last as long as the process: a session that is lost and opened again starts with them."""

    def __init__(self, broker: Broker, signals: Signals) -> None:
        self._broker = broker
        self._signals = signals
        self._conflicts = 0
        self._skews = 0

    def connect(self) -> None:
        """Return with a session; ``waiting.Stopped`` when a signal ends the wait."""
        reported = False
        while True:
            try:
                self._broker.connect()
                say("")
                success("Connected to GitHub")
                say("")
                self._broker.open_session()
            except (calls.Refused, http1.Unreachable, SessionConflict, Denied) as exc:
                self._require_retriable(exc)
                if not reported:
                    complain(f"{timestamp()}: Runner connect error: {exc}. Retrying until reconnected.")
                reported = True
                self._signals.pause(pace.scaled(_RETRY_SECONDS))
            else:
                break
        if reported:
            say(f"{timestamp()}: Runner reconnected.")
            self._conflicts = self._skews = 0

    def _require_retriable(self, exc: Exception) -> None:
        if isinstance(exc, InvalidClient):
            complain(
                "Failed to create a session. The runner registration has been deleted from the server, please "
                "re-configure. Runner registrations are automatically deleted for runners that have not connected to "
                "the service recently."
            )
            raise CannotConnect from exc
        if isinstance(exc, SessionConflict):
            self._count_conflict(exc)
        elif isinstance(exc, Denied) or (_SKEW in str(exc) and self._skewed_for_long()):
            complain(f"Failed to create session. {exc}")
            raise CannotConnect from exc

    def _count_conflict(self, exc: SessionConflict) -> None:
        complain("A session for this runner already exists.")
        self._conflicts += 1
        if self._conflicts > 1 and self._conflicts * _RETRY_SECONDS >= _CONFLICT_SECONDS:
            complain(f"Stop retry on SessionConflictException after retried for {_CONFLICT_SECONDS} seconds.")
            complain(f"Failed to create session. {exc}")
            raise Occupied from exc

    def _skewed_for_long(self) -> bool:
        complain(
            "The local machine's clock may be out of sync with the server time by more than five minutes. Please sync "
            "your clock with your domain or internet time and try again."
        )
        self._skews += 1
        if self._skews * _RETRY_SECONDS < _SKEW_SECONDS:
            return False
        complain(f"Stopped retrying OAuth token request exception after {_SKEW_SECONDS} seconds.")
        return True
