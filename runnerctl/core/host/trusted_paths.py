"""Paths that nobody but root can lead elsewhere: where root may act by a name at all.

Who owns a directory on the way, or may write there, puts a link to ``/etc`` in the place of what is named.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Collection, Iterator
from pathlib import Path

from ..domain.errors import BackendFailed, ConfigInvalid
from .directories import owner_name

_MOST_LINKS = 40


def components(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Each directory, link and file on the way from the root, links followed, as far as there is one."""
    waiting, at, links = deque(path.absolute().parts[1:]), Path("/"), 0
    yield at, at.lstat()
    while waiting:
        name = waiting.popleft()
        if name == "..":
            at = at.parent
            continue
        step = at / name
        try:
            seen = step.lstat()
        except FileNotFoundError:
            return  # nobody else could make it
        yield step, seen
        if not stat.S_ISLNK(seen.st_mode):
            at = step
            continue
        links += 1
        if links > _MOST_LINKS:
            raise BackendFailed(f"{str(path)!r} leads through too many links")
        target = step.readlink()
        if target.is_absolute():
            at = Path("/")
        waiting.extendleft(reversed([part for part in target.parts if part != "/"]))


def refuse_untrusted(path: Path, *, owners: Collection[int] | None) -> Path:
    """Where it is, without links: all that leads there is root's or one of ``owners``', and so is the directory itself.

    ``owners`` None: what leads there is root's, and the directory itself anybody's. It need not be there. Raises
    ``ConfigInvalid`` naming what others than those could replace.
    """
    real = path.resolve()
    for each, seen in components(path):
        if each != real or owners is not None:
            _refuse(each, seen, path, owners={0, *(owners or ())})
    return real


def _refuse(each: Path, seen: os.stat_result, path: Path, *, owners: Collection[int]) -> None:
    writable = seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not seen.st_mode & stat.S_ISVTX
    if seen.st_uid in owners and (stat.S_ISLNK(seen.st_mode) or not writable):
        return
    whose = "is writable by others than root" if seen.st_uid in owners else f"belongs to {owner_name(seen.st_uid)}"
    raise ConfigInvalid(
        f"{str(each)!r} {whose}, who could lead root elsewhere than to {str(path)!r}",
        hint="Choose a directory below others that are root's alone, such as /var/lib or /opt",
    )
