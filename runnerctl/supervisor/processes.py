"""Facts about processes, read from ``/proc``, and signals that reach exactly who was meant.

A process is its pid together with its start ticks; a zombie does not live.
"""

from __future__ import annotations

import os
import select
import signal

WORKER = "Runner.Worker"
LISTENER = "Runner.Listener"
LIFE_VARIABLE = "RUNNERCTL_LIFE"
"""In the environment of everything that a runner starts; a job may drop it, and anybody may give it to what is theirs.

So like a name and a working directory it says nothing of a process of another user's than the runner's.
"""

_DEAD = ("Z", "X", "x")


class Process:
    """One process and no other that gets its pid later."""

    __slots__ = ("name", "parent", "pid", "start_ticks", "state")

    def __init__(self, *, pid: int, name: str, state: str, parent: int, start_ticks: int) -> None:
        self.pid = pid
        self.name = name
        self.state = state
        self.parent = parent
        self.start_ticks = start_ticks

    @property
    def lives(self) -> bool:
        return self.state not in _DEAD

    def identity(self) -> dict[str, object]:
        return {"pid": self.pid, "start_ticks": self.start_ticks}


def boot_id() -> str:
    return _read("/proc/sys/kernel/random/boot_id").decode().strip()


def namespaces() -> str:
    """In which pids and starts are counted here; readers in others cannot look for them. Empty: not known."""
    try:
        return " ".join(os.readlink(f"/proc/self/ns/{kind}") for kind in ("pid", "time"))
    except OSError:
        return ""


def look(pid: int) -> Process | None:
    """Who has that pid now, zombie or not; None if nobody."""
    try:
        text = _read(f"/proc/{pid}/stat")
    except OSError:
        return None
    # The name stands in parentheses and may hold anything, also parentheses and blanks.
    name, fields = text[text.index(b"(") + 1 : text.rindex(b")")], text[text.rindex(b")") + 2 :].split()
    return Process(
        pid=pid,
        name=name.decode(errors="replace"),
        state=fields[0].decode(),
        parent=int(fields[1]),
        start_ticks=int(fields[19]),
    )


def is_hidden(pid: int) -> bool:
    """A process has that pid and has not ended, and ``/proc`` does not show it to us."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return look(pid) is None and not poll.poll(0)
    finally:
        os.close(descriptor)


def lives(pid: int, start_ticks: int) -> bool:
    seen = look(pid)
    return seen is not None and seen.lives and seen.start_ticks == start_ticks


def everyone() -> dict[int, Process]:
    """All living processes, by one pass over ``/proc``."""
    seen = (look(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in seen if process is not None and process.lives}


def below(pid: int, everyone: dict[int, Process]) -> list[Process]:
    """Every process below ``pid``, parents first."""
    children: dict[int, list[Process]] = {}
    for process in everyone.values():
        children.setdefault(process.parent, []).append(process)
    found = list(children.get(pid, ()))
    for process in found:
        found.extend(children.get(process.pid, ()))
    return found


def tree(life: str, *, listener: Process | None, inside: set[int], owner: int) -> list[Process]:
    """Below us or ``listener``, who may be no child of ours; ``inside``; or ``owner``'s and with the life's mark."""
    all_of_them = everyone()
    found = {process.pid: process for process in below(os.getpid(), all_of_them)}
    if listener is not None and (top := all_of_them.get(listener.pid)) and top.start_ticks == listener.start_ticks:
        found |= {process.pid: process for process in [top, *below(top.pid, all_of_them)]}
    found |= {pid: all_of_them[pid] for pid in inside if pid in all_of_them}
    found |= {
        pid: process
        for pid, process in all_of_them.items()
        if pid not in found and _carries(pid, life) and _is_of(pid, owner)
    }
    found.pop(os.getpid(), None)
    return list(found.values())


def workers(root: str, *, life: str, inside: set[int], owner: int | None) -> list[Process]:
    """The Workers that live below us or ``inside``, or are ``owner``'s and under that root or with that mark: of a job
    that is running. ``owner`` is None where all are ``inside``: then neither place nor mark says anything.
    """
    all_of_them = everyone()
    found = [process for process in all_of_them.values() if process.name == WORKER]
    if not found:
        return []
    ours = {process.pid for process in below(os.getpid(), all_of_them)}
    ours |= inside
    return [each for each in found if each.pid in ours or _seems(each.pid, root, life=life, owner=owner)]


def _seems(pid: int, root: str, *, life: str, owner: int | None) -> bool:
    """By what any process of ``owner``'s can say of itself."""
    return owner is not None and _is_of(pid, owner) and (is_under(pid, root) or _carries(pid, life))


def at_home(root: str, *names: str, owner: int) -> Process | None:
    """The oldest process of ``owner``'s of such a name under that root: a Listener is older than its jobs."""
    named = [each for each in everyone().values() if each.name in names]
    found = [each for each in named if _is_of(each.pid, owner) and is_under(each.pid, root)]
    return min(found, key=lambda process: process.start_ticks, default=None)


def _is_of(pid: int, owner: int) -> bool:
    """By its real user id, the first: the others may be those of a set-user-id program that anybody started."""
    try:
        text = _read(f"/proc/{pid}/status")
    except OSError:
        return False
    return int(text[text.index(b"\nUid:") + 5 :].split(None, 1)[0]) == owner


def is_under(pid: int, root: str) -> bool:
    """Whether its program or its working directory lies in ``root``."""
    home = os.path.realpath(root)
    for link in ("exe", "cwd"):
        try:
            path = os.readlink(f"/proc/{pid}/{link}")
        except OSError:
            continue
        if path == home or path.startswith(home + "/"):
            return True
    return False


def send(process: Process, number: int) -> None:
    """Signals that very process; already gone is fine."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        return
    try:
        # The pidfd is held now: if the identity fits, the signal cannot reach a stranger.
        if lives(process.pid, process.start_ticks):
            signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return
    finally:
        os.close(descriptor)


def _carries(pid: int, life: str) -> bool:
    try:
        environment = _read(f"/proc/{pid}/environ", 4 * 1024 * 1024)
    except OSError:
        return False
    return f"{LIFE_VARIABLE}={life}".encode() in environment.split(b"\0")


def _read(path: str, size: int = 4096) -> bytes:
    """At most ``size`` bytes; a read from ``/proc`` may end early in the middle of a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        text = part = os.read(descriptor, size)
        while part and len(text) < size and size > 4096:
            part = os.read(descriptor, size - len(text))
            text += part
        return text
    finally:
        os.close(descriptor)
