"""Whether a file is still the one that was read."""

from __future__ import annotations

from pathlib import Path


def file_version(path: Path) -> tuple[int, ...] | None:
    """Another value after each change, also where another file took its place; None for what cannot be looked at."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns
