"""What ends a job early: a cancellation that the Listener passes on, its own end, or a SIGTERM to the Worker."""

from __future__ import annotations

from ..host import channel, waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..host.waiting import Signals


class Interrupts:
    """``fd`` is where the Listener speaks; -1 once it is dead or has spoken: the real Worker hears one word only."""

    def __init__(self, signals: Signals, listener: int) -> None:
        self.cancelled = False
        self.shutdown = False
        self.on_shutdown: Callable[[], None] = lambda: None
        self._signals = signals
        self.fd = listener

    @property
    def descriptors(self) -> list[int]:
        return [fd for fd in (self._signals.fd, self.fd) if fd >= 0]

    def __bool__(self) -> bool:
        return self.cancelled or self.shutdown

    def look(self) -> None:
        """Take what has come, without waiting for it."""
        self._signals.drain()
        if self._signals.stop:
            self._shut_down()
        if self.fd >= 0 and waiting.readable([self.fd], 0):
            message = channel.receive(self.fd)
            # A dead Listener is no reason to end: the real Worker goes on with its job, alone.
            self.fd = -1
            if message and message[0] == channel.CANCEL:
                self.cancelled = True
            elif message and message[0] == channel.SHUTDOWN:
                self._shut_down()

    def _shut_down(self) -> None:
        if not self.shutdown:
            self.shutdown = True
            self.on_shutdown()
