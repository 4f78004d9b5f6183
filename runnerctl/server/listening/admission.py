"""Who may be connected: so many in all, so many from one place, and whoever comes last rather than who says nothing.

A connection yields from its beginning until somebody is known by what it said, and again while a known one is idle. If
there is no room, the one that has yielded for longest is closed: who holds connections keeps nobody else out.
"""

from __future__ import annotations

import socket
import struct
from collections import OrderedDict
from typing import Protocol

from ..auth.sources import UNIX, neighbourhood, peer_address

MOST = 1000
"""At once; each takes a descriptor, and more are closed unheard."""
MOST_OF_ONE = 600
"""From one place: the rest is for all others."""
_CREDENTIALS = struct.Struct("3i")


class Guest(Protocol):
    """A connection."""

    def turn_out(self) -> None:
        """Closes it at once."""


def place_of(accepted: socket.socket, address: object) -> str:
    """Where it comes from: an address's neighbourhood, or the user at the other end of a unix socket."""
    if accepted.family != socket.AF_UNIX:
        return neighbourhood(peer_address(address) or "")
    _, uid, _ = _CREDENTIALS.unpack(accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return f"{UNIX}:{uid}"


class Admission:
    """For the loop's thread alone."""

    def __init__(self) -> None:
        self._inside: dict[str, set[Guest]] = {}
        self._yielding: dict[str, OrderedDict[Guest, None]] = {}
        self._count = 0

    def enter(self, guest: Guest, place: str) -> bool:
        """Whether there is room for it; it is closed else."""
        if len(self._inside.get(place, ())) >= MOST_OF_ONE:
            self._make_room(place)
        elif self._count >= MOST:
            self._make_room(max(self._inside, key=lambda each: len(self._inside[each])))
        if self._count >= MOST or len(self._inside.get(place, ())) >= MOST_OF_ONE:
            guest.turn_out()
            return False
        self._inside.setdefault(place, set()).add(guest)
        self._count += 1
        self.may_yield(guest, place)
        return True

    def leave(self, guest: Guest, place: str) -> None:
        """May be said twice."""
        inside = self._inside.get(place, set())
        if guest not in inside:
            return
        inside.discard(guest)
        self._count -= 1
        self.must_stay(guest, place)
        if not inside:
            del self._inside[place]
            self._yielding.pop(place, None)

    def may_yield(self, guest: Guest, place: str) -> None:
        """From now on, after all others there."""
        if guest in self._inside.get(place, ()):
            self._yielding.setdefault(place, OrderedDict())[guest] = None

    def must_stay(self, guest: Guest, place: str) -> None:
        """Somebody whom we know is waiting for an answer."""
        self._yielding.get(place, OrderedDict()).pop(guest, None)

    def _make_room(self, place: str) -> None:
        yielding = self._yielding.get(place)
        if yielding:
            guest, _ = yielding.popitem(last=False)
            self.leave(guest, place)
            guest.turn_out()
