"""What this host's runners occupy on its disks."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

from ..host import disk
from ..services import Services

_PATIENCE_SECONDS = 2.0
"""A look at a host must not take as long as its largest checkout."""


class DiskSizes(NamedTuple):
    """In bytes; None for what took too long to count."""

    packages: int | None
    runners: int | None
    """Their directories, without what they share with their package."""
    logs: int | None
    """Of runners that live and that ended."""
    database: int


def disk_sizes(services: Services) -> DiskSizes:
    """Counted anew, for two seconds at the most."""
    settings, clock = services.settings, services.clock
    deadline = clock.monotonic() + _PATIENCE_SECONDS

    def go_on() -> bool:
        return clock.monotonic() < deadline

    packages = settings.package_dir.absolute()
    return DiskSizes(
        database=_database(services),
        logs=disk.used(settings.state_dir / "runners", go_on=go_on),
        packages=disk.used(packages, go_on=go_on),
        runners=disk.used(
            settings.base_dir.absolute(),
            skip=lambda entry: entry.path == str(packages) or _is_shared(entry),
            go_on=go_on,
        ),
    )


def _is_shared(directory: os.DirEntry[str]) -> bool:
    """A root's ``bin.VERSION`` of hard links."""
    if not directory.name.startswith("bin."):
        return False
    try:
        return os.lstat(f"{directory.path}/Runner.Listener").st_nlink > 1
    except OSError:
        return False


def _database(services: Services) -> int:
    """With its journal, which comes and goes."""
    total = 0
    for path in services.settings.state_dir.glob("runnerctl.db*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512
    return total
