"""The Listener's long poll: hung up and renewed at each change of status, and patient with a server that is away."""

from __future__ import annotations

import time

from .. import pace
from ..github import calls, http1
from ..host.terminal import complain, timestamp
from .broker import Denied, SessionInvalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..github.http1 import Exchange
    from ..host.terminal import DiagnosticLog
    from .broker import Broker
    from .connecting import Connecting

_QUIET_TRIES = 5  # with 5 to 15 s in between: an outage of that length is not spoken of
_ERRORS = 10
_NEVER = float("inf")


class NotToBeRetried(Exception):
    """Exit status 1."""


class TooManyErrors(Exception):
    """Exit status 2, so that somebody starts us again."""


class Polling:
    def __init__(self, broker: Broker, connecting: Connecting, *, recover: bool, log: DiagnosticLog) -> None:
        self._broker = broker
        self._connecting = connecting
        self._recover = recover
        self._log = log
        self._exchange: Exchange | None = None
        self._busy = False
        self._at = 0.0
        self._tries = 0
        self._errors = 0

    def begin(self, *, busy: bool) -> None:
        """Have a poll under way that says what we are; unless it has to wait after a failure."""
        if self._exchange and self._busy != busy:
            self.hang_up()
        if self._exchange or time.monotonic() < self._at:
            return
        self._busy = busy
        try:
            self._exchange = self._broker.ask_for_message(busy=busy)
        except (http1.Unreachable, calls.Refused) as exc:
            self._failed(exc)

    def descriptors(self) -> list[int]:
        return [self._exchange.fileno()] if self._exchange else []

    def due(self) -> float:
        return _NEVER if self._exchange else self._at

    def hang_up(self) -> None:
        if self._exchange:
            self._exchange.close()
            self._exchange = None

    def message(self, ready: set[int]) -> dict[str, Any] | None:
        """What the poll brought, if it is among ``ready`` and brought something."""
        if not self._exchange or self._exchange.fileno() not in ready:
            return None
        exchange, self._exchange = self._exchange, None
        try:
            message = self._broker.message(exchange.answer())
        except SessionInvalid as exc:
            if not self._recover:
                raise NotToBeRetried("Get next message failed with non-retryable error.") from exc
            self._connecting.connect()
            return None
        except Denied as exc:
            raise NotToBeRetried("Get next message failed with non-retryable error.") from exc
        except (http1.Unreachable, calls.Refused) as exc:
            self._failed(exc)
            return None
        self._tries = 0
        if message is not None:
            self._errors = 0
        return message

    def _failed(self, exc: Exception) -> None:
        self._log.write(f"Catch exception during request: {exc}")
        self._tries += 1
        if self._tries < _QUIET_TRIES:
            self._at = time.monotonic() + pace.backoff(5, 15)
            return
        self._tries = 0
        self._errors += 1
        if self._errors >= _ERRORS:
            raise TooManyErrors(str(exc)) from exc
        if self._errors == 1:
            complain(f"{timestamp()}: Runner connect error: {exc}. Retrying until reconnected.")
        self._broker.connect()
        self._at = time.monotonic() + (pace.backoff(15, 30) if self._errors <= 5 else pace.backoff(30, 60))
