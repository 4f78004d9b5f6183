"""Keyrings of a job's user: the kernel keeps them though none of its processes is left, for who has that user next."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from ..domain.errors import BackendFailed

_USERS = Path("/proc/key-users")
_OWN = 3
"""``_uid.N``, ``_uid_ses.N`` and, where the kernel has it, ``_persistent.N``: they stay, emptied, while it likes."""
_SECONDS = 5.0
_PAUSE = 0.01
# keyctl(2): a user's keyrings are its own to empty, and its own to say who else may use them.
_EMPTY = """
import ctypes, os, platform, sys
keyctl = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271, "s390x": 280}.get(platform.machine())
call = ctypes.CDLL(None).syscall
SETPERM, CLEAR, LINK, PERSISTENT = 5, 7, 8, 22
uid, gid = map(int, sys.argv[1:])
os.setgroups([]), os.setresgid(gid, gid, gid), os.setresuid(uid, uid, uid)
if keyctl is not None:
    rings = [-4, -5, call(keyctl, PERSISTENT, os.getuid(), -2)]
    for ring in rings:
        call(keyctl, SETPERM, ring, 0x1F3F0000)
        call(keyctl, CLEAR, ring)
    call(keyctl, LINK, -4, -5)  # as they were made: what is in the one is found by the other
    print(sum(ring != -1 for ring in rings))
"""


def clear(uid: int, gid: int, *, alive: int = 0, seconds: float = _SECONDS) -> None:
    """Empties them. Raises ``BackendFailed`` where keys of that user's stay, such as in another's keyring.

    ``alive``: keyrings that go with processes which live still, such as the session's of a unit that runs this.
    """
    if not _keys_of(uid):
        return
    emptied = subprocess.run(
        # It becomes that user by itself: our interpreter need not be that user's to run.
        [sys.executable, "-I", "-S", "-c", _EMPTY, str(uid), str(gid)],
        env={},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    ).stdout.strip()
    own = alive + (int(emptied) if emptied.isdigit() else _OWN)
    deadline = time.monotonic() + seconds
    while (left := _keys_of(uid)) > own:  # the kernel forgets them a moment later
        if time.monotonic() > deadline:
            raise BackendFailed(f"{left - own} keys of user {uid} are left in keyrings")
        time.sleep(_PAUSE)


def _keys_of(uid: int) -> int:
    """keyrings(7): ``UID: usage nkeys/nikeys qnkeys/maxkeys qnbytes/maxbytes``."""
    try:
        lines = _USERS.read_text().splitlines()
    except OSError:
        return 0  # a kernel without keys
    fields = (line.split() for line in lines)
    return next((int(words[2].partition("/")[0]) for words in fields if words[0] == f"{uid}:"), 0)
