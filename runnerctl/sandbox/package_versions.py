"""Of which version a runner package is: by its file's name, else by what it contains; and whether it is one."""

from __future__ import annotations

import re
import tarfile
import zlib
from pathlib import Path

_NAME = re.compile(r"actions-runner-linux-[a-z0-9]+-(\d+\.\d+\.\d+)\.tar\.gz", re.ASCII)
_VERSION_IN = {
    # .NET writes a program's own version among its dependencies.
    "bin/Runner.Listener.deps.json": re.compile(rb'"Runner\.Listener/(\d+\.\d+\.\d+)"'),
    "bin/standin.release": re.compile(rb'VERSION = "(\d+\.\d+\.\d+)"'),
}
_LISTENER = "bin/Runner.Listener"
_MOST_BYTES = 2**20


def version_of(archive: Path) -> str:
    """Raises ValueError, in a person's words, for what is no runner package; OSError if it cannot be read."""
    named = _NAME.fullmatch(archive.name)
    found = _version_inside(archive, named[1] if named else None)
    if found is None:
        raise ValueError(f"{str(archive)!r} does not say its version. Call it actions-runner-linux-x64-VERSION.tar.gz")
    return found


def _version_inside(archive: Path, version: str | None) -> str | None:
    """That version, if there is a Listener in it; without one, what it tells of its own."""
    listener = False
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                name = member.name.removeprefix("./")
                listener = listener or name == _LISTENER
                version = version or _version_in(opened, member, name)
                if listener and version:
                    return version
    except (tarfile.TarError, EOFError, zlib.error) as exc:
        raise ValueError(f"{str(archive)!r} is not a whole tar.gz") from exc
    if not listener:
        raise ValueError(f"{str(archive)!r} is no runner package: it has no {_LISTENER}")
    return version


def _version_in(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> str | None:
    pattern = _VERSION_IN.get(name)
    file = archive.extractfile(member) if pattern else None
    match = pattern.search(file.read(_MOST_BYTES)) if pattern and file else None
    return match[1].decode() if match else None
