"""The packages of this host: what there is, one more, fewer, and whether they are still whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..domain import names
from ..domain.errors import InvalidRequest, PackageInvalid
from ..domain.models import Scope
from ..domain.version_end import VersionEnd
from ..engine.github_side import version_ends
from ..engine.github_side.packages import package_for
from ..host import disk
from ..packages import releases, version_policy
from ..packages.store import Package
from ..services import Services

Progress = Callable[[int, int | None], None]
_NAMED_FILES = 3


@dataclass(frozen=True, kw_only=True)
class PackageFacts:
    """A package and what is made of it."""

    package: Package
    size: int | None
    """Bytes on disk; None if they took too long to count."""
    runners: int
    """How many live runners are of it."""
    unpacked_at: float | None
    end: VersionEnd
    """Of its version, in the scope here in which that is first."""


class VersionUse(NamedTuple):
    runners: int
    """How many live runners are of it."""
    end: VersionEnd
    """In the scope here in which that is first."""


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """What a prune took away, or would."""

    packages: Sequence[PackageFacts]
    leftovers: Sequence[Path]


def versions(services: Services) -> Mapping[str, VersionUse]:
    """Those that are here, or that live runners are of; quick, for nothing is measured."""
    using = Counter(runner.version for runner in services.store.live() if runner.version[:1].isdigit())
    known = {*using, *(package.version for package in services.packages.list())}
    return {version: VersionUse(using[version], version_ends.end_of(services, None, version)) for version in known}


def describe(services: Services) -> Sequence[PackageFacts]:
    """Every package, oldest version first."""
    using = _using(services)
    return [_facts(services, package, using) for package in services.packages.list()]


def fetch(services: Services, version: str, *, scope: Scope | None = None, progress: Progress | None = None) -> Package:
    """The package, unpacked; ``latest`` is what GitHub rolled out to ``scope``, without one the newest release.

    Raises ``PackageInvalid`` for a version that does not exist or cannot be verified, and what a download raises.
    """
    version = names.runner_version(version)
    if scope is not None:
        return package_for(services, scope, version, progress)
    platform = releases.platform_of_machine()
    if (ready := services.packages.ready(version, platform)) is not None:
        return ready
    public = services.github.release(version)
    release = releases.resolve(
        version if public is None else public.version,
        platform=platform,
        downloads=lambda: (),
        release=lambda _: public,
        cache=_offers(services),
        key=f"{_api_url(services)} public",
        clock=services.clock,
    )
    return services.packages.fetch(release, progress=progress)


def prune(services: Services, *, keep: int = 1, dry_run: bool = False) -> Pruning:
    """Takes away what no runner uses, but the ``keep`` newest versions of each platform; and what fetches left.

    A create that finds its package meanwhile either keeps it from going or fetches it again.
    """
    gone = _would_go if dry_run else _goes
    removed = [facts for facts in _beyond_newest(describe(services), keep) if gone(services, facts.package)]
    return Pruning(packages=removed, leftovers=services.packages.remove_leftovers(dry_run=dry_run))


def _would_go(services: Services, package: Package) -> bool:
    return not is_used(services, package)


def _goes(services: Services, package: Package) -> bool:
    return services.packages.remove(package, used=lambda: is_used(services, package))


def verify(services: Services, version: str | None = None) -> Sequence[Package]:
    """Reads every file of the packages, or of one version's, and compares it with what was unpacked.

    Compared are names, inodes, sizes, times and sha256. Raises ``PackageInvalid`` naming the first files that changed,
    ``InvalidRequest`` for a version that is not here.
    """
    wanted = None if version is None else names.runner_version(version)
    packages = [package for package in services.packages.list() if wanted in {None, package.version}]
    if wanted is not None and not packages:
        raise InvalidRequest(
            f"Runner package {wanted} is not on this host", hint="`runnerctl package list` shows the packages"
        )
    changed = {package.path.name: services.packages.changed(package, contents=True) for package in packages}
    bad = [f"{name} ({_some(files)})" for name, files in changed.items() if files]
    if bad:
        raise PackageInvalid(
            f"Files have changed since they were unpacked: {', '.join(bad)}",
            hint="Remove the runners that use it, delete its directory, and `runnerctl package fetch` it again",
        )
    return packages


def doubt(services: Services, version: str, *, scope: Scope | None = None) -> str | None:
    """What speaks against going on with that version, by what is known here; GitHub is not asked."""
    package = services.packages.ready(version, releases.platform_of_machine())
    if package is None:
        return None
    return version_policy.doubt(version_ends.end_of(services, scope, package.version), services.clock.now())


def is_used(services: Services, package: Package) -> bool:
    """A live runner is of that version, or a runner's directory, however old, leads to it."""
    return _using(services)[package.version, package.platform] > 0 or _is_linked(services.settings.base_dir, package)


def _using(services: Services) -> Counter[tuple[str, str]]:
    platform = releases.platform_of_machine()
    return Counter((runner.version, platform) for runner in services.store.live())


def _is_linked(base_dir: Path, package: Package) -> bool:
    try:
        links = [_target(root / "externals") for root in base_dir.iterdir()]
    except FileNotFoundError:
        return False
    # Not samefile(): while a prune has moved the package, nothing is there.
    externals = package.path.resolve() / "externals"
    return any(
        link is not None and link.parent.name == package.path.name and link.resolve() == externals for link in links
    )


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:
        return None


def _beyond_newest(packages: Sequence[PackageFacts], keep: int) -> Sequence[PackageFacts]:
    newer: Counter[str] = Counter()
    beyond = []
    for facts in reversed(packages):
        if newer[facts.package.platform] >= keep:
            beyond.append(facts)
        newer[facts.package.platform] += 1
    return beyond[::-1]


def _facts(services: Services, package: Package, using: Counter[tuple[str, str]]) -> PackageFacts:
    return PackageFacts(
        package=package,
        size=disk.used(package.path),
        runners=using[package.version, package.platform],
        unpacked_at=services.packages.unpacked_at(package),
        end=version_ends.end_of(services, None, package.version),
    )


def _some(files: Sequence[str]) -> str:
    more = len(files) - _NAMED_FILES
    return ", ".join(files[:_NAMED_FILES]) + (f" and {more} more" if more > 0 else "")


def _offers(services: Services) -> Path:
    return services.settings.state_dir / "releases.json"


def _api_url(services: Services) -> str:
    return services.settings.github_urls[0]
