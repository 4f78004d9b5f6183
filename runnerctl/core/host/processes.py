"""Facts about processes, read from ``/proc``.

A process is its pid together with its start ticks and the boot it belongs to; a zombie does not live.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ..domain.models import ProcessId
from . import visibility
from .visibility import Unseen

WORKER_COMM = "Runner.Worker"
LIFE_VARIABLE = "RUNNERCTL_LIFE"
"""In the environment of everything a runner starts: its life's id. A job may drop it, anybody may give it to theirs: it
is a mark of last resort, and says nothing of another user's process than the runner's.
"""

_DEAD = {"Z", "X", "x"}


@cache
def boot_id() -> str:
    """Raises ``Unseen`` where the kernel's settings are not in ``/proc`` (``subset=pid``)."""
    path = Path("/proc/sys/kernel/random/boot_id")
    try:
        return path.read_text().strip()
    except OSError as exc:
        raise Unseen(f"/proc does not show the boot's id ({str(path)!r}: {exc.strerror})") from exc


def stat(pid: int) -> tuple[str, int, int] | None:
    """(state, parent pid, start ticks), or None when there is no such process, or ``/proc`` hides it."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    try:
        text = os.read(descriptor, 1024)
    except ProcessLookupError:
        return None
    finally:
        os.close(descriptor)
    # The name stands in parentheses and may hold anything, also parentheses and blanks.
    fields = text[text.rindex(b")") + 2 :].split(None, 20)
    return fields[0].decode(), int(fields[1]), int(fields[19])


def identify(pid: int) -> ProcessId | None:
    """Who lives under that pid now; None if nobody does. Raises ``Unseen`` for one that ``/proc`` hides."""
    seen = stat(pid)
    if seen is None and _exists(pid):
        seen = stat(pid)  # it may have been started just now
        if seen is None and _exists(pid):
            raise Unseen(f"process {pid} exists, and /proc hides it")
    if seen is None or seen[0] in _DEAD:
        return None
    return ProcessId(pid=pid, start_ticks=seen[2], boot_id=boot_id(), namespaces=visibility.namespaces())


def alive(process: ProcessId) -> bool:
    """Raises ``Unseen`` where that cannot be told from here."""
    if process.boot_id != boot_id():
        return False
    visibility.check_same(process.namespaces)
    seen = identify(process.pid)
    return seen is not None and seen.start_ticks == process.start_ticks


def _exists(pid: int) -> bool:
    """Whether a process has that pid and has not ended, whoever may look at it."""
    try:
        descriptor = os.pidfd_open(pid)
    except (ProcessLookupError, ValueError):
        return False
    except OSError:
        return _answers(pid)  # no descriptor to be had, or a thread's number
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return not poll.poll(0)
    finally:
        os.close(descriptor)


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def comm(pid: int) -> str:
    try:
        descriptor = os.open(f"/proc/{pid}/comm", os.O_RDONLY)  # asked of every process there is: no path, no file
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
    try:
        # A process names itself, in any bytes.
        return os.read(descriptor, 64).decode(errors="replace").rstrip("\n")
    except ProcessLookupError:
        return ""
    finally:
        os.close(descriptor)


def descendants(pid: int) -> list[int]:
    """Every living process below ``pid``, parents first. One pass over ``/proc``."""
    children: dict[int, list[int]] = {}
    for each in _pids():
        seen = stat(each)
        if seen is not None and seen[0] not in _DEAD:
            children.setdefault(seen[1], []).append(each)
    found = [pid]
    for each in found:
        found.extend(children.get(each, ()))
    return found[1:]


def marked(life: str, *, owner: int | None = None) -> list[int]:
    """Living processes that carry this life's mark, wherever they were re-parented to; ``owner``: that user's alone."""
    found = (pid for pid in _pids() if _carries(pid, life) and identify(pid) is not None)
    return [pid for pid in found if owner is None or is_of(pid, owner)]


def worker(listener: int | None, life: str, *, uid: int | None = None, by_mark: bool = True) -> ProcessId | None:
    """The ``Runner.Worker`` that lives among the processes of that runner, which are that user's (None: ours): a job is
    running. ``by_mark``: also one that only says so itself, where nothing better tells of those without a Listener.

    Raises ``Unseen`` where one may be there that ``/proc`` hides.
    """
    owner = os.geteuid() if uid is None else uid
    for pid in _pids():
        if comm(pid) != WORKER_COMM or (seen := identify(pid)) is None:
            continue
        # By mark too: a Worker outlives a Listener that was killed, as nobody's child.
        below = listener is not None and _is_below(pid, listener)
        if below or (by_mark and is_of(pid, owner) and _carries(pid, life)):
            return seen
    visibility.check_all_seen(uid)
    return None


def is_of(pid: int, uid: int) -> bool:
    """By its real user id: the others may be those of a set-user-id program that anybody started."""
    try:
        text = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return False
    return int(text[text.index(b"\nUid:") + 5 :].split(None, 1)[0]) == uid


def _carries(pid: int, life: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"{LIFE_VARIABLE}={life}".encode() in environment.split(b"\0")


def _is_below(pid: int, ancestor: int) -> bool:
    while pid > 1:
        seen = stat(pid)
        if seen is None:
            return False
        pid = seen[1]
        if pid == ancestor:
            return True
    return False


def _pids() -> Iterator[int]:
    names = os.listdir("/proc")  # noqa: PTH208 - names are all that is wanted, and this is done often
    return (int(name) for name in names if name.isdigit())
