"""The releases of actions/runner that this GitHub offers: stand-in packages."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

PLATFORMS = (("linux", "arm64"), ("linux", "x64"))
"""The stand-in runs on any of them: one archive serves all."""


@dataclass(frozen=True, kw_only=True)
class Release:
    id: int
    version: str
    archive: Path
    size: int
    sha256: str

    @classmethod
    def of(cls, *, id: int, version: str, archive: Path) -> Release:
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(id=id, version=version, archive=archive, size=archive.stat().st_size, sha256=digest)

    def filename(self, architecture: str) -> str:
        return f"actions-runner-linux-{architecture}-{self.version}.tar.gz"


class Releases:
    """In the order of their publication."""

    def __init__(self) -> None:
        self._releases: list[Release] = []

    def publish(self, version: str, archive: Path) -> Release:
        release = Release.of(id=len(self._releases) + 1, version=version, archive=archive)
        self._releases.append(release)
        return release

    def latest(self) -> Release | None:
        return self._releases[-1] if self._releases else None

    def by_tag(self, tag: str) -> Release | None:
        return next((release for release in reversed(self._releases) if f"v{release.version}" == tag), None)

    def by_filename(self, filename: str) -> Release | None:
        for release in reversed(self._releases):
            if filename in {release.filename(architecture) for _, architecture in PLATFORMS}:
                return release
        return None
