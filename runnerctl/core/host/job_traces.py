"""What a job's user leaves outside its runner's directory, so that nobody is taken over who has that user next: files
where everybody may write, set-user-id programs and timers among them, System V and POSIX IPC, keys, user namespaces.

Called when no process of that user lives: nothing new comes of its own. Others may hold what it made, and hide it.
"""

from __future__ import annotations

import ctypes
import os
import pwd
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ..domain.errors import BackendFailed
from . import keyrings, user_namespaces
from .owned_files import OwnedFiles

TEMPORARY = tuple(map(Path, ("/tmp", "/var/tmp")))  # noqa: S108 - they are searched
PLACES = tuple(
    map(
        Path,
        (
            "/dev/shm",  # noqa: S108 - it is searched
            "/dev/mqueue",
            "/run/lock",
            "/run/screen",
            "/run/user",
            "/var/crash",
            "/var/lock",
            "/var/mail",
            "/var/spool/at",
            "/var/spool/cron",
        ),
    )
)
"""Where every user may make files on the distributions that we know; timers of cron and at are files, too."""
_SUBORDINATE = Path("/etc/subuid")
_IPC_RMID = 0


def clear(uid: int, gid: int | None = None, *, shared_tmp: bool = False, others: Sequence[Path] = ()) -> None:
    """Deletes all that belongs to that user there. Raises ``BackendFailed`` naming what would not go.

    ``shared_tmp``: its jobs saw the host's ``/tmp``, so that anything may be deep in there; ``others``: roots of
    runners whose jobs may let this user's write there.
    """
    uids = {uid, *subordinate(uid)}
    search = OwnedFiles(uids)
    for place in TEMPORARY:
        search.delete_below(place, deep=shared_tmp)
    for place in (*PLACES, *others):
        search.delete_below(place)
    for kind in ("shm", "msg", "sem"):
        for number in _ipc_of(uids, kind):
            _remove(kind, number)
    keyrings.clear(uid, uid if gid is None else gid)
    if left := user_namespaces.inhabitants(uids):
        raise BackendFailed(f"Processes {left} live in a user namespace of user {uid}")


def subordinate(uid: int) -> range:
    """The ids that ``newuidmap`` gives to that user beside its own: subuid(5)."""
    names = {str(uid)}
    with suppress(KeyError):  # an id without an account
        names.add(pwd.getpwuid(uid).pw_name)
    for name, first, number in _subordinates():
        if name in names:
            return range(first, first + number)
    return range(0)


def _subordinates() -> Iterator[tuple[str, int, int]]:
    try:
        lines = _SUBORDINATE.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        name, _, rest = line.strip().partition(":")
        first, _, number = rest.partition(":")
        if first.isdigit() and number.isdigit() and int(first) > 0:
            yield name, int(first), int(number)


def _ipc_of(uids: Collection[int], kind: str) -> list[int]:
    """The ids of what those users own or made."""
    return [int(row["id"]) for row in _table(kind) if int(row["uid"]) in uids or int(row["cuid"]) in uids]


def _table(kind: str) -> list[dict[str, str]]:
    """The kernel's, with ``id`` for shmid, msqid or semid; empty where it has no System V IPC."""
    try:
        head, *lines = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()
    except (OSError, ValueError):
        return []
    names = ["key", "id", *head.split()[2:]]
    return [dict(zip(names, line.split(), strict=False)) for line in lines]


def _remove(kind: str, number: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    calls = {
        "shm": lambda: libc.shmctl(number, _IPC_RMID, None),
        "msg": lambda: libc.msgctl(number, _IPC_RMID, None),
        "sem": lambda: libc.semctl(number, 0, _IPC_RMID),
    }
    if calls[kind]() != 0 and any(row["id"] == str(number) for row in _table(kind)):
        raise BackendFailed(f"System V {kind} {number} is not removed: {os.strerror(ctypes.get_errno())}")
