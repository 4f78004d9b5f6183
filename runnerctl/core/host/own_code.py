"""What runnerctl runs from: its own modules, the packages that they import, the interpreter. No job may change it:
what it wrote there would run at the next start, and be confined by nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

_SYSTEM = tuple(map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib64")))
_PACKAGE = Path(__file__).resolve().parents[2]
_SITES = frozenset({"site-packages", "dist-packages"})
_MOST_LINKS = 40
"""As many as the kernel follows."""


def guarded() -> tuple[Path, ...]:
    """What is to be read-only for jobs of our user's. The system's directories, which packages are installed into, are
    not among it: an ordinary user cannot write there, and root's jobs may (see ``unguarded``).
    """
    return tuple(dict.fromkeys(path for path in _paths() if not _is_the_systems(path)))


def unguarded() -> Path | None:
    """A directory of what we run from that jobs of our user's can change all the same; None: there is none."""
    return next(filter(_is_the_systems, _paths()), None) if os.geteuid() == 0 else None


def _paths() -> Iterator[Path]:
    yield _PACKAGE
    prefixes = map(Path, (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix))
    sites = (each for each in map(Path, sys.path) if each.name in _SITES)
    # What this user may not even look at, its jobs cannot change.
    yield from (path for each in (*prefixes, *sites) if os.path.isdir(path := each.resolve()))  # noqa: PTH112 - raises
    for program in map(Path, (sys.executable, sys.argv[0])):
        if program == Path(sys.executable) or program.name.startswith("runnerctl"):
            yield from _on_the_way(program.absolute())


def _on_the_way(path: Path) -> Iterator[Path]:
    """A program, and each link that leads to it, by names in which nothing but the last may be a link."""
    for _ in range(_MOST_LINKS):
        path = path.parent.resolve() / path.name
        if not os.path.lexists(path):
            return
        yield path
        if not os.path.islink(path):  # noqa: PTH114 - raises where we may not look
            return
        path = path.parent / path.readlink()


def _is_the_systems(path: Path) -> bool:
    if os.geteuid() != 0 and os.access(path, os.W_OK):
        return path in _SYSTEM
    return any(path.is_relative_to(top) for top in _SYSTEM)
