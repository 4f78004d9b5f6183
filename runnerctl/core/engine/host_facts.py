"""What there is to say of this host: how busy it is, what its disks have, what GitHub allows, which versions run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from runnerctl import __version__

from ..domain.errors import ConfigInvalid
from ..domain.host_document import DiskFacts, HostFacts, Place, RateLimitFacts
from ..domain.models import Runner
from ..domain.version_end import VersionEnd
from ..host import load
from ..services import Services
from .github_side import version_ends


def host_facts(services: Services) -> HostFacts:
    """As they are now; GitHub is not asked."""
    runners = services.store.live()
    processors, memory = load.processors(), load.memory()
    return HostFacts(
        name=os.uname().nodename,
        version=__version__,
        backend=services.backend.name,
        degraded=services.backend.degraded,
        now=services.clock.now(),
        processors=processors.usable,
        busy_seconds=processors.busy_seconds,
        load=processors.load,
        memory=None if memory is None else (memory.total, memory.available),
        disks=_disks(services),
        max_runners=services.settings.max_runners,
        runners=Counter(runner.state for runner in runners),
        orphans=sum(services.store.count_orphans().values()),
        rate_limit=_rate_limit(services),
        versions=_versions(services, runners),
    )


def _disks(services: Services) -> Sequence[DiskFacts]:
    settings = services.settings
    places: dict[Place, Path] = {
        "runners": settings.base_dir,
        "state": settings.state_dir,
        "packages": settings.package_dir,
    }
    holds: dict[int, list[Place]] = {}
    disks: dict[int, load.Disk] = {}
    for what, place in places.items():
        found = load.disk_of(place)
        if found is not None:
            disks[found.device] = found
            holds.setdefault(found.device, []).append(what)
    return [DiskFacts(holds[device], disk.total, disk.available) for device, disk in disks.items()]


def _rate_limit(services: Services) -> RateLimitFacts | None:
    with suppress(ConfigInvalid):  # no credentials
        told = services.github.rate_limit
        if told is not None:
            return RateLimitFacts(told.limit, told.remaining, told.reset_at)
    return None


def _versions(services: Services, runners: Sequence[Runner]) -> Sequence[tuple[VersionEnd, int]]:
    """Each once, with the earliest of its ends: scopes may be told different ones."""
    ends: dict[str, list[VersionEnd]] = {}
    for runner in runners:
        end = version_ends.end_of_runner(services, runner)
        if end is not None:
            ends.setdefault(end.version, []).append(end)
    return [(min(found, key=_when), len(found)) for _, found in sorted(ends.items())]


def _when(end: VersionEnd) -> float:
    return float("inf") if end.runtime_at is None else end.runtime_at
