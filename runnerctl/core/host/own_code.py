"""What runnerctl runs from: its own modules, the packages that they import, the interpreter. No job may change it:
what it wrote there would run at the next start, and be confined by nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64")
_PACKAGE = Path(__file__).resolve().parents[2]
_SITES = frozenset({"site-packages", "dist-packages"})
_MOST_LINKS = 40
"""As many as the kernel follows."""


def guarded() -> tuple[str, ...]:
    """What is to be read-only for jobs of our user's. The system's directories, which packages are installed into, are
    not among it: an ordinary user cannot write there, and root's jobs may (see ``unguarded``).
    """
    return tuple(dict.fromkeys(path for path in _paths() if not _is_the_systems(path)))


def unguarded() -> str | None:
    """A directory of what we run from that jobs of our user's can change all the same; None: there is none."""
    return next(filter(_is_the_systems, _paths()), None) if os.geteuid() == 0 else None


def _paths() -> Iterator[str]:
    yield str(_PACKAGE)
    prefixes = (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)
    sites = (each for each in sys.path if os.path.basename(each) in _SITES)
    yield from (path for each in (*prefixes, *sites) if os.path.isdir(path := os.path.realpath(each)))
    yield from _on_the_way(sys.executable)
    if os.path.basename(sys.argv[0]).startswith("runnerctl"):
        yield from _on_the_way(os.path.abspath(sys.argv[0]))


def _on_the_way(path: str) -> Iterator[str]:
    """A program, and each link that leads to it, by names in which nothing else is one."""
    for _ in range(_MOST_LINKS):
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if not os.path.lexists(path):
            return
        yield path
        if not os.path.islink(path):
            return
        path = os.path.join(os.path.dirname(path), os.readlink(path))


def _is_the_systems(path: str) -> bool:
    if os.geteuid() != 0 and os.access(path, os.W_OK):
        return path in _SYSTEM
    return any(path == top or path.startswith(f"{top}/") for top in _SYSTEM)
