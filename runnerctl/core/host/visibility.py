"""What of this host's processes can be seen from here; what cannot is unknown, and no less alive for that.

``/proc`` may hide the processes of other users (``hidepid=``, proc(5)), be that of another PID namespace, or be
missing; in another time namespace processes seem to have been started at another time.
"""

from __future__ import annotations

import errno
import os
from functools import cache
from pathlib import Path

SEE_ALL = "Mount /proc without hidepid (or with gid= of a group of runnerctl's user), or give runnerctl CAP_SYS_PTRACE"
_CAP_SYS_PTRACE = 1 << 19
_INVISIBLE, _PTRACEABLE = frozenset({"1", "2", "noaccess", "invisible"}), frozenset({"4", "ptraceable"})
"""Numbers are what kernels before 5.8 show."""


class Unseen(OSError):
    """Whether a process lives cannot be told from here. ``strerror`` says why."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EACCES, why)


@cache
def namespaces() -> str:
    """Those by which a pid and a process's start are counted, in one word; empty where the kernel does not tell."""
    try:
        return " ".join(str(Path("/proc/self/ns", kind).readlink()) for kind in ("pid", "time"))
    except OSError:
        return ""


def check_same(other: str) -> None:
    """Raises ``Unseen`` for what was counted in other namespaces than ours. Empty: nobody wrote down in which."""
    if other and other != namespaces():
        raise Unseen("they are in another PID or time namespace (another container, or unshare)")


def check_all_seen(uid: int | None) -> None:
    """Raises ``Unseen`` where not finding a process of that user proves nothing; None: of ourselves."""
    why = hidden_from(os.geteuid(), uid)
    if why is not None:
        raise Unseen(why)


def hidden_from(euid: int, uid: int | None) -> str | None:
    """Why processes of that user may be there though they are not in ``/proc``; None if they would be."""
    try:
        option = hidepid(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace"))
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "/proc is not mounted"
    # What we start has no more rights than we have; of root there may be processes that have.
    ours = uid in {None, euid} and euid != 0
    if option is None or ours or may_trace(status):
        return None
    kind, group = option
    if kind in _INVISIBLE and (group in os.getgroups() or group == os.getegid()):
        return None
    return f"/proc is mounted with hidepid={kind}, which hides the processes of other users"


def hidepid(mountinfo: str) -> tuple[str, int] | None:
    """What the topmost mount at ``/proc`` hides, and from which group it does not; None if nothing."""
    found = None
    for line in mountinfo.splitlines():
        mount, _, mounted = line.partition(" - ")
        if mount.split()[4:5] == ["/proc"]:
            found = dict(option.partition("=")[::2] for option in mounted.split(" ")[2].split(","))
    kind = "0" if found is None else found.get("hidepid", "0")
    if found is None or kind not in _INVISIBLE | _PTRACEABLE:
        return None
    return kind, int(found.get("gid", "0"))


def may_trace(status: str) -> bool:
    """Whether ``/proc/self/status`` says that nothing is hidden from us."""
    line = next((line for line in status.splitlines() if line.startswith("CapEff:")), "CapEff: 0")
    return bool(int(line.split()[1], 16) & _CAP_SYS_PTRACE)
