"""Packages of a runner that are as nobody would wish them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path


def with_program(archive: Path, name: str, script: str, target: Path) -> Path:
    """The package, with that script in the place of its program ``name``."""
    with tarfile.open(archive) as source, tarfile.open(target, "w:gz") as changed:
        for member in source:
            content = source.extractfile(member)
            if member.name.removeprefix("./") == name:
                member.size, content = len(script), io.BytesIO(script.encode())
            changed.addfile(member, content)
    return target
