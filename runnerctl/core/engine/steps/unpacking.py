"""The runner package that a create needs, fetched only if it is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...domain.models import Scope
from ...packages import releases
from ...packages.store import Package
from ...services import Services

T = TypeVar("T")


def with_package(
    services: Services,
    scope: Scope,
    version: str,
    progress: Callable[[int, int | None], None] | None,
    use: Callable[[Package], T],
) -> tuple[Package, T]:
    """The package and what ``use``, which must link it, makes of it; no prune takes the package away meanwhile."""
    release = _release(services, scope, version) if version == releases.LATEST else None
    exact = version if release is None else release.version
    with services.packages.kept(exact, releases.platform_of_machine()):
        package = _ready(services, exact) or services.packages.fetch(
            release or _release(services, scope, version), progress=progress
        )
        return package, use(package)


def package_for(
    services: Services,
    scope: Scope,
    version: str,
    progress: Callable[[int, int | None], None] | None,
    *,
    fresh: bool = False,
) -> Package:
    """Ready to be linked. A version that is unpacked already costs no call; ``latest`` is what GitHub rolled out to
    that scope, remembered for six hours unless it must be ``fresh``."""
    if (ready := _ready(services, version)) is not None:
        return ready
    release = _release(services, scope, version, fresh=fresh)
    return _ready(services, release.version) or services.packages.fetch(release, progress=progress)


def _ready(services: Services, version: str) -> Package | None:
    return services.packages.ready(version, releases.platform_of_machine())


def _release(services: Services, scope: Scope, version: str, *, fresh: bool = False) -> releases.Release:
    api_url, _ = services.settings.github_urls
    return releases.resolve(
        version,
        key=f"{api_url} {scope}",
        downloads=lambda: services.github.downloads(scope),
        release=services.github.release,
        cache=services.settings.state_dir / "releases.json",
        clock=services.clock,
        fresh=fresh,
    )
