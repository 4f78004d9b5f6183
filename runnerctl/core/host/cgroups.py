"""Where this process may make cgroups (v2) for its runners, and what can be done with one of them.

They are marks first of all, for which it does not matter that we live in their parent. A controller is enabled in them
only where limits ask for one and we live at the very top: no other parent with processes can pass them on.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

_PREFIX = "runnerctl-"
_PAUSE = 0.005
_VERSION_1 = {"io": "blkio"}
"""What version 1 calls a controller, where it differs."""
_OCTAL = re.compile(r"\\([0-7]{3})")


def place_for(runner_id: str) -> str | None:
    """The path of that runner's cgroup, which its supervisor makes; None where none can be made."""
    parent = own()
    return None if parent is None else str(parent / f"{_PREFIX}{runner_id}")


def belongs_to(path: str | None, runner_id: str) -> bool:
    """Whether ``path`` is one that ``place_for`` gave for that runner, here or in another process of ours."""
    return path is not None and path.startswith("/") and Path(path).name == f"{_PREFIX}{runner_id}"


@cache
def own() -> Path | None:
    """The cgroup of this process, if cgroups can be made in it and processes be moved there."""
    try:
        membership = Path("/proc/self/cgroup").read_text()
        mounts = Path("/proc/self/mountinfo").read_text()
    except OSError:
        return None
    found = locate(membership, mounts)
    if found is None or not os.access(found, os.W_OK) or not os.access(found / "cgroup.procs", os.W_OK):
        return None
    return found


def locate(membership: str, mounts: str) -> Path | None:
    """Where the cgroup of ``/proc/self/cgroup`` is, given ``/proc/self/mountinfo``; None if it is mounted nowhere."""
    ours = next((line[3:] for line in membership.splitlines() if line.startswith("0::")), None)
    if ours is None or ".." in ours.split("/"):  # it is above what this cgroup namespace shows
        return None
    for line in mounts.splitlines():
        mount, _, kind = line.partition(" - ")
        root, point = (_unescape(field) for field in mount.split()[3:5])
        if kind.startswith("cgroup2 ") and (inside := _below(ours, root)) is not None:
            return Path(point, inside)
    return None


def _below(path: str, root: str) -> str | None:
    if root == "/":
        return path.strip("/")
    return path[len(root) :].strip("/") if path == root or path.startswith(root + "/") else None


def _unescape(field: str) -> str:
    return _OCTAL.sub(lambda code: chr(int(code[1], 8)), field)


def enabled(parent: Path, controllers: Iterable[str]) -> frozenset[str]:
    """Those of ``controllers`` that cgroups made in ``parent``, where we live, have; switched on at the top of all.

    Elsewhere the kernel would switch on some, too (``cpu``, ``pids``), and then let nobody in: no runner into a cgroup
    below ``parent``, and at a restart none of us into itself.
    """
    if _is_top(parent):
        for controller in sorted(set(controllers) - _words(parent / "cgroup.subtree_control")):
            # One at a time: of several in one write, all fail with one.
            with suppress(OSError), (parent / "cgroup.subtree_control").open("w") as stream:
                stream.write(f"+{controller}")
    return _words(parent / "cgroup.subtree_control") & frozenset(controllers)


def knows(parent: Path, file: str) -> bool:
    """Whether cgroups in ``parent`` have that file of a controller that they have: some kernels weigh no disks."""
    if not _is_top(parent):
        return (parent / file).exists()
    return file != "io.weight" or (parent / "io.cost.qos").exists()


def _is_top(place: Path) -> bool:
    """Of all cgroups, not of a namespace."""
    return not (place / "cgroup.type").exists()


def host_has(controller: str, file: str) -> bool:
    """Whether this host's systemd can limit a unit so, by cgroups of either version."""
    for line in _mounts().splitlines():
        mount, _, mounted = line.partition(" - ")
        kind, _, options = mounted.split(" ", 2)
        top = Path(_unescape(mount.split()[4]))
        if kind == "cgroup" and _VERSION_1.get(controller, controller) in options.split(","):
            return True
        if kind == "cgroup2" and controller in _words(top / "cgroup.controllers"):
            return knows(top, file)
    return False


def mounted() -> tuple[Path, ...]:
    """Where all hierarchies are, of either version: who may write there ends, stops and starves what is in them."""
    found = [line.partition(" - ") for line in _mounts().splitlines()]
    return tuple(
        Path(_unescape(mount.split()[4])) for mount, _, kind in found if kind.startswith(("cgroup ", "cgroup2 "))
    )


def _mounts() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text()
    except OSError:
        return ""


def _words(path: Path) -> frozenset[str]:
    try:
        return frozenset(path.read_text().split())
    except OSError:
        return frozenset()


def pids(path: str) -> list[int]:
    """All that live in it or below it; those of other PID namespaces have no pid here."""
    found: set[int] = set()
    for each in _with_nested(path):
        try:
            found.update(map(int, Path(each, "cgroup.procs").read_bytes().split()))
        except OSError:
            continue
    return sorted(found - {0})


def kill(path: str) -> None:
    """SIGKILL for all that live in it or below it, in one step that no fork outruns; no such cgroup is fine."""
    try:
        descriptor = os.open(f"{path}/cgroup.kill", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(descriptor, b"1")
    except OSError:
        return
    finally:
        os.close(descriptor)


def remove(path: str, *, seconds: float) -> bool:
    """Whether it is gone, with those that a job made below it. What was killed may take a moment to leave."""
    deadline, top = time.monotonic() + seconds, Path(path)
    while top.is_dir():
        for each in reversed(_with_nested(path)):
            _rmdir(each)
        if time.monotonic() > deadline:
            return not top.is_dir()
        if top.is_dir():
            time.sleep(_PAUSE)
    return True


def _with_nested(path: str) -> list[str]:
    """Parents first."""
    found = [path]
    for each in found:
        try:
            with os.scandir(each) as entries:
                found.extend(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            continue
    return found


def _rmdir(path: str) -> None:
    try:
        Path(path).rmdir()
    except OSError:
        return
