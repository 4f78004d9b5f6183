"""Callers at the unix socket whom the kernel vouches for: the members of ``server.socket_group``.

Off unless that group is set. The manager's own user never counts, for jobs may run as it, but for root, who does where
it is no job: one of root's may take any user and group. Who passes a request on for somebody else must show a token.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

from aiohttp import web

from runnerctl.core import OPERATOR, Actor, is_a_jobs

from .sources import PASSED_ON, unix_peer

_CREDENTIALS = struct.Struct("3i")
_SO_PEERGROUPS = getattr(socket, "SO_PEERGROUPS", 59)  # asm-generic/socket.h
_SO_PEERPIDFD = getattr(socket, "SO_PEERPIDFD", 77)
_MOST_BYTES = 1024
"""All that Python gives a socket option."""


def operator(request: web.Request, group: int) -> Actor | None:
    """The peer as operator, named by its uid; None if it is not one."""
    peer = unix_peer(request)
    if peer is None or any(name in request.headers for name in PASSED_ON):
        return None
    pid, uid, groups = _of(peer)
    if uid != 0 and (uid == os.geteuid() or group not in groups):
        return None
    # An ordinary user's jobs stay that user's.
    if os.geteuid() == 0 and _is_a_jobs(peer, pid):
        return None
    return Actor(id=f"uid:{uid}", name=f"uid {uid}", rights=OPERATOR.rights)


def _is_a_jobs(peer: socket.socket, pid: int) -> bool:
    """Where the kernel is older than 6.5, it is the process that has that pid now."""
    try:
        pidfd = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as exc:
        known = None if exc.errno == errno.ENOPROTOOPT else -1
    else:
        known = pidfd
    if known == -1:
        return True  # it has ended
    try:
        return is_a_jobs(pid, known, user=os.geteuid())
    finally:
        if known is not None:
            os.close(known)


def _of(peer: socket.socket) -> tuple[int, int, set[int]]:
    pid, uid, gid = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    try:
        packed = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_BYTES)
    except OSError:
        packed = b""  # in more groups than fit: its first one counts
    return pid, uid, {gid, *struct.unpack(f"{len(packed) // 4}I", packed)}
