"""Ending all that is one user's, at once. Also a program of its own, ``UID GID``, for who has threads.

The kernel lets it reach that user's processes and no others; nothing forks fast enough to be missed.
"""

from __future__ import annotations

import os
import signal
import sys

_NOBODYS = 2**32 - 17
"""No account's on any distribution: https://systemd.io/UIDS-GIDS ("HIC SVNT LEONES")."""


def end(uid: int, gid: int) -> None:
    """SIGKILL for every process of that user, in a process of root's that is good for nothing else afterwards.

    It may signal that user's, by its effective id; they cannot signal it, as they could stop, or end, who is to end
    them, if it had no other ids.
    """
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    try:
        os.setresuid(_NOBODYS, uid, _NOBODYS)
    except OSError:  # a user namespace that does not have that id
        os.setresuid(uid, uid, uid)
    # As root this would end the whole host.
    if uid > 0 and os.geteuid() == uid and os.getuid() in {_NOBODYS, uid}:
        os.kill(-1, signal.SIGKILL)


if __name__ == "__main__":
    end(int(sys.argv[1]), int(sys.argv[2]))
