"""The packages of actions/runner on the simulated host."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runnerctl.core.domain.errors import GitHubUnavailable
from runnerctl.core.host.locks import LockHeld
from runnerctl.core.packages.store import Package

if TYPE_CHECKING:
    from runnerctl.core.packages.releases import Release

    from .github import GitHubSide


class FakePackages:
    """What the engine uses of a ``PackageStore``. ``unpacked`` belongs to the host."""

    def __init__(self, side: GitHubSide, unpacked: set[str], rng: random.Random) -> None:
        self._side, self._unpacked, self._rng = side, unpacked, rng

    def ready(self, version: str, platform: str) -> Package | None:
        return self._package(version, platform) if version in self._unpacked else None

    @contextmanager
    def kept(self, version: str, platform: str) -> Iterator[None]:
        """Now and then somebody just removes what nobody uses."""
        if self._rng.random() < 0.1:
            raise LockHeld(f"{version}-{platform} is locked")
        yield

    def fetch(
        self, release: Release, *, progress: Callable[[int, int | None], None] | None = None, wait: float = 0.0
    ) -> Package:
        del progress
        if wait == 0 and self._rng.random() < 0.1:
            raise LockHeld(f"{release.version} is being fetched")
        schedule = self._side.schedule
        schedule.gate(f"fetch {release.version}")
        schedule.wait(until=schedule.now + self._rng.choice((0.5, 5.0, 30.0)))
        if self._side.down or self._rng.random() < 0.1:
            raise GitHubUnavailable("The download broke off")
        self._unpacked.add(release.version)
        return self._package(release.version, release.platform)

    @staticmethod
    def _package(version: str, platform: str) -> Package:
        return Package(version=version, platform=platform, path=Path("/nowhere"))
