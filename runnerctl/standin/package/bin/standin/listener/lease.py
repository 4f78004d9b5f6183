"""A running job's lease: renewed by the Listener at once and then every minute, in a thread of its own."""

from __future__ import annotations

import _thread
import os

from .. import pace
from ..github import calls, http1
from ..github.run_service import JobNotFound
from ..host import waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..github.run_service import JobService
    from ..host.terminal import DiagnosticLog

HELD, LOST = b"+", b"-"
_RENEW_SECONDS = 60.0
_FIRST_TRIES = 6


class Lease:
    """``fd`` becomes readable when there is news: ``HELD`` after the first renewal, ``LOST`` when it gave up."""

    def __init__(self, service: JobService, log: DiagnosticLog) -> None:
        self._service = service
        self._log = log
        self.fd, self._news = os.pipe()
        self._ended, self._end = os.pipe()
        _thread.start_new_thread(self._keep, ())

    def news(self) -> bytes:
        return os.read(self.fd, 1)

    def end(self) -> None:
        """No renewal after this, but for one that is on its way; the thread closes its own ends."""
        for descriptor in (self._end, self.fd):
            os.close(descriptor)

    def _keep(self) -> None:
        self._renew_again_and_again()
        for descriptor in (self._ended, self._news):
            os.close(descriptor)

    def _say(self, news: bytes) -> None:
        try:
            os.write(self._news, news)
        except BrokenPipeError:
            return

    def _renew_again_and_again(self) -> None:
        tries, held = 0, False
        while not waiting.readable([self._ended], 0):
            try:
                self._service.renew()
            except JobNotFound as exc:
                self._log.write(f"job is no longer valid, stop renew job request: {exc}")
                break
            except (calls.Refused, http1.Unreachable) as exc:
                # After the first renewal the real one gives up, too: its second way to fail fails itself.
                self._log.write(f"Catch exception during renew runner job: {exc}")
                tries += 1
                if held or tries >= _FIRST_TRIES:
                    break
                waiting.readable([self._ended], pace.backoff(1, 10))
                continue
            if not held:
                held = True
                self._say(HELD)
            waiting.readable([self._ended], pace.scaled(_RENEW_SECONDS))
        if not waiting.readable([self._ended], 0):
            self._say(LOST)
