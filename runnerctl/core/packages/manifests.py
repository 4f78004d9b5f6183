"""What a package's files were when it was unpacked, so that it can be told whether they still are."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple


class Manifest(NamedTuple):
    """By path below the package."""

    files: Mapping[str, list[int]]
    """(inode, size, mtime): what any writer changes, found without reading a byte."""
    contents: Mapping[str, str]
    """sha256: what also a writer who sets the clock back, and a failing disk, change."""


def path_of(directory: Path, name: str) -> Path:
    """Of the package of that name in a store."""
    return directory / f".{name}.manifest.json"


def unpacked_at(directory: Path, name: str) -> float | None:
    """When it was unpacked; None if that is not known any more."""
    try:
        return path_of(directory, name).stat().st_mtime
    except OSError:
        return None


def write(target: Path, tree: Path) -> None:
    found = facts(tree)
    target.write_text(json.dumps({"files": found, "contents": contents(tree, found)}))


def read(path: Path) -> Manifest:
    """Nothing is known by a manifest that is damaged or gone; those of older packages know no contents."""
    try:
        document = json.loads(path.read_bytes())
        return Manifest(files=dict(document["files"]), contents=dict(document.get("contents", {})))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Manifest(files={}, contents={})


def facts(tree: Path) -> dict[str, list[int]]:
    """(inode, size, mtime) of every file; not ctime, which each runner's hard link changes."""
    found = {}
    for directory, _, files in os.walk(tree):
        for file in files:
            path = os.path.join(directory, file)  # noqa: PTH118 — ten thousand files: Path costs more than lstat
            seen = os.lstat(path)
            found[os.path.relpath(path, tree)] = [seen.st_ino, seen.st_size, seen.st_mtime_ns]
    return found


def contents(tree: Path, paths: Iterable[str]) -> dict[str, str]:
    """sha256 of each file, of a symlink's target; empty for what cannot be read."""
    import hashlib

    found = {}
    for path in paths:
        full = tree / path
        try:
            if full.is_symlink():
                found[path] = hashlib.sha256(os.fsencode(full.readlink())).hexdigest()
                continue
            with full.open("rb") as file:
                found[path] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            found[path] = ""
    return found
