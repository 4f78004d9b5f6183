"""What a job user leaves outside its runner's directory: files in places that everybody may write to, System V IPC.

Called when no process of that user lives: nothing can change under our hands, and nothing new comes.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

from ..domain.errors import BackendFailed
from .trash import delete_tree

PLACES = tuple(map(Path, ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock")))  # noqa: S108 - they are searched
_IPC_RMID = 0


def clear(uid: int) -> None:
    """Deletes all that belongs to that user there. Raises ``BackendFailed`` naming what would not go."""
    for path in _files_of(uid):
        delete_tree(path)
    for kind in ("shm", "msg", "sem"):
        for number in _ipc_of(uid, kind):
            _remove(kind, number)


def _files_of(uid: int) -> Iterator[Path]:
    for place in PLACES:
        try:
            with os.scandir(place) as entries:
                yield from [Path(entry.path) for entry in entries if _owner(entry) == uid]
        except (FileNotFoundError, NotADirectoryError):
            continue


def _owner(entry: os.DirEntry[str]) -> int | None:
    try:
        return entry.stat(follow_symlinks=False).st_uid
    except OSError:  # gone meanwhile, or a FUSE mount whose server is dead: nobody's of ours
        return None


def _ipc_of(uid: int, kind: str) -> list[int]:
    """The ids of what that user owns or made."""
    return [int(row["id"]) for row in _table(kind) if str(uid) in {row.get("uid"), row.get("cuid")}]


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
