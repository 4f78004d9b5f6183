"""What is left of lives that are over: on the host, in the store, at GitHub, among the server's descriptors."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from runnerctl.core.domain.states import TERMINAL
from runnerctl.core.host import cgroups, processes
from runnerctl.sandbox import Sandbox

_ENDED = ", ".join(repr(str(state)) for state in sorted(TERMINAL))
_ROWS = {
    "live rows": f"SELECT count(*) FROM runner WHERE state NOT IN ({_ENDED})",
    "orphan tasks": "SELECT count(*) FROM orphan",
    "replacements": "SELECT count(*) FROM replacement",
    "absences": "SELECT count(*) FROM absence",
    "events of no runner": "SELECT count(*) FROM event WHERE runner_id NOT IN (SELECT id FROM runner)",
}


def count(top: Path, sandbox: Sandbox, *, daemon: str) -> dict[str, int]:
    """What should be nothing once every life has ended. ``daemon`` is a word of the commands that jobs left behind."""
    lives = [path.name for path in (top / "state" / "runners").iterdir()]
    return {
        "processes": len(_processes(top, lives, daemon)),
        "cgroups": sum(Path(place).exists() for life in lives if (place := cgroups.place_for(life)) is not None),
        "directories": len(list(_directories(top / "runners"))),
        "registrations": len(sandbox.runners()),
        **_rows(top / "state" / "runnerctl.db"),
    }


def _processes(top: Path, lives: list[str], daemon: str) -> set[int]:
    """By the mark of their life, by the run directory in their command, or, if they shed both, by what they are."""
    marked = {pid for life in lives for pid in processes.marked(life)}
    runs = f"{top}/state/runners/"
    return marked | {pid for pid, command in _commands() if runs in command or daemon in command}


def _commands() -> Iterator[tuple[int, str]]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield int(path.parent.name), path.read_bytes().replace(b"\0", b" ").decode(errors="replace")


def _directories(base: Path) -> Iterator[Path]:
    """Runners' roots, half-made ones, and what was not cleared away yet."""
    for path in base.iterdir():
        if path.name == ".trash":
            yield from path.iterdir()
        elif path.name != ".packages":
            yield path


def _rows(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return {name: int(db.execute(query).fetchone()[0]) for name, query in _ROWS.items()}


def descriptors(pid: int) -> Counter[str]:
    """The open files of a process by kind: what the kernel calls them, databases by their name, connections apart."""
    kinds: Counter[str] = Counter()
    connections = _connections(pid)
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            target = os.readlink(link)  # noqa: PTH115 - what it names is often no path
            kinds[connections.get(target) or _kind(target)] += 1
    return kinds


def _connections(pid: int) -> dict[str, str]:
    """Its host's TCP connections, ``socket:[4711]`` → ``TCP to 443`` (proc_pid_net(5), /proc/PID/net/tcp)."""
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return {f"socket:[{each[9]}]": f"TCP to {int(each[2].partition(':')[2], 16)}" for each in fields if each[3] == "01"}


def _kind(target: str) -> str:
    """``socket:[4711]`` → socket, ``anon_inode:[pidfd]`` → pidfd, ``/…/runnerctl.db-wal`` → database."""
    name, bracket, rest = target.partition(":[")
    if bracket:
        return rest.rstrip("]") if name == "anon_inode" else name
    return "database" if Path(target).name.startswith("runnerctl.db") else "file"
