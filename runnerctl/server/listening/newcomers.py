"""Who is connected and has said nothing yet: costs a descriptor, and nothing is made for it before it speaks."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable, Iterable

from . import connections
from .admission import Admission

Speaks = Callable[[socket.socket, str, float], None]
"""Takes a socket, where it comes from, and the loop's time until when the head of its first request must be there."""


class Newcomers:
    """For the loop's thread alone."""

    def __init__(self, admission: Admission, speaks: Speaks) -> None:
        self._admission = admission
        self._speaks = speaks
        self._silent: set[Newcomer] = set()

    def __len__(self) -> int:
        return len(self._silent)

    def take(self, arrived: Iterable[tuple[socket.socket, str]]) -> None:
        """Those who spoke already are passed on; who has hung up hears no answer, and is let go."""
        places = {accepted.fileno(): (accepted, place) for accepted, place in arrived}
        looking = select.poll()
        for descriptor in places:
            looking.register(descriptor, select.POLLIN | select.POLLRDHUP)
        seen = dict(looking.poll(0))
        until = asyncio.get_running_loop().time() + connections.HEAD_SECONDS
        for descriptor, (accepted, place) in places.items():
            events = seen.get(descriptor)
            if events is None:
                self._wait_for(accepted, place, until)
            elif _is_speech(events):
                self._speaks(accepted, place, until)
            else:
                accepted.close()

    def turn_out(self) -> None:
        """All of them."""
        for newcomer in tuple(self._silent):
            newcomer.turn_out()

    def _wait_for(self, accepted: socket.socket, place: str, until: float) -> None:
        newcomer = Newcomer(accepted, place, until, leave=self._left)
        if self._admission.enter(newcomer, place):
            self._silent.add(newcomer)
            newcomer.listen(self._heard)

    def _heard(self, newcomer: Newcomer) -> None:
        newcomer.end()
        looking = select.poll()
        looking.register(newcomer.accepted, select.POLLIN | select.POLLRDHUP)
        if all(_is_speech(events) for _, events in looking.poll(0)):
            self._speaks(newcomer.accepted, newcomer.place, newcomer.until)
        else:
            newcomer.accepted.close()

    def _left(self, newcomer: Newcomer) -> None:
        self._silent.discard(newcomer)
        self._admission.leave(newcomer, newcomer.place)


class Newcomer:
    """One of them."""

    __slots__ = ("_leave", "_overdue", "accepted", "place", "until")

    def __init__(self, accepted: socket.socket, place: str, until: float, *, leave: Callable[[Newcomer], None]) -> None:
        self.accepted = accepted
        self.place = place
        self.until = until
        self._leave = leave
        self._overdue: asyncio.TimerHandle | None = None

    def listen(self, heard: Callable[[Newcomer], None]) -> None:
        loop = asyncio.get_running_loop()
        self.accepted.setblocking(False)
        loop.add_reader(self.accepted, heard, self)
        self._overdue = loop.call_at(self.until, self.turn_out)

    def end(self) -> None:
        """It is no newcomer any more; its socket stays open."""
        if self._overdue is not None:
            self._overdue.cancel()
            asyncio.get_running_loop().remove_reader(self.accepted)
        self._leave(self)

    def turn_out(self) -> None:
        self.end()
        self.accepted.close()


def _is_speech(events: int) -> bool:
    return not events & (select.POLLRDHUP | select.POLLHUP | select.POLLERR)
