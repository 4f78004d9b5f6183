"""Of which version a runner package is: by its file's name, else by what it contains."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

_NAME = re.compile(r"actions-runner-linux-[a-z0-9]+-(\d+\.\d+\.\d+)\.tar\.gz", re.ASCII)
_TELLING = {
    # .NET writes a program's own version among its dependencies.
    "bin/Runner.Listener.deps.json": re.compile(rb'"Runner\.Listener/(\d+\.\d+\.\d+)"'),
    "bin/standin/release.py": re.compile(rb'VERSION = "(\d+\.\d+\.\d+)"'),
}
_MOST_BYTES = 2**20


def version_of(archive: Path) -> str:
    """Raises ValueError, in a person's words, for what is no runner package; OSError if it cannot be read."""
    named = _NAME.fullmatch(archive.name)
    found = named[1] if named else _told_inside(archive)
    if found is None:
        raise ValueError(f"{str(archive)!r} does not tell its version. Call it actions-runner-linux-x64-VERSION.tar.gz")
    return found


def _told_inside(archive: Path) -> str | None:
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                pattern = _TELLING.get(member.name.removeprefix("./"))
                file = opened.extractfile(member) if pattern else None
                if pattern and file and (match := pattern.search(file.read(_MOST_BYTES))):
                    return match[1].decode()
    except (tarfile.TarError, EOFError) as exc:
        raise ValueError(f"{str(archive)!r} is not a tar.gz: {exc}") from exc
    return None
