"""A cgroup (v2) of its own as a runner's mark: whatever its jobs start is in it, and forks cannot outrun its kill."""

from __future__ import annotations

import os
import time

_PAUSE = 0.005


def make(path: str) -> bool:
    """Whether there is such a cgroup now, and one that can be killed as a whole (Linux 5.14)."""
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        pass
    except OSError:
        return False
    if os.path.exists(f"{path}/cgroup.kill"):
        return True
    _rmdir(path)
    return False


def limit(path: str, file: str, value: str) -> None:
    """What all in there together may take. Raises ``OSError``, as where the controller is missing."""
    descriptor = os.open(f"{path}/{file}", os.O_WRONLY)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def join(path: str) -> None:
    """Moves the calling process, with all that it will ever start. Raises ``OSError`` that names ``path``."""
    try:
        descriptor = os.open(f"{path}/cgroup.procs", os.O_WRONLY)
        try:
            os.write(descriptor, b"0")
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, path) from exc


def pids(path: str) -> set[int]:
    """All that live in it or below it; those of other PID namespaces have no pid here."""
    found: set[int] = set()
    for each in _with_nested(path):
        try:
            with open(f"{each}/cgroup.procs", "rb") as stream:
                found.update(map(int, stream.read().split()))
        except OSError:
            continue
    return found - {0}


def kill(path: str) -> None:
    """SIGKILL for all that live in it or below it, in one step; no such cgroup is fine."""
    try:
        descriptor = os.open(f"{path}/cgroup.kill", os.O_WRONLY)
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
    deadline = time.monotonic() + seconds
    while os.path.isdir(path):
        for each in reversed(_with_nested(path)):
            _rmdir(each)
        if time.monotonic() > deadline:
            return not os.path.isdir(path)
        if os.path.isdir(path):
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
        os.rmdir(path)
    except OSError:
        return
