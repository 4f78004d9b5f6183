"""The runner package that a create needs, fetched only if it is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .. import releases
from ..errors import BackendFailed
from ..models import Scope
from ..packages import Package
from ..services import Services

T = TypeVar("T")


def with_package(
    services: Services,
    scope: Scope,
    version: str,
    progress: Callable[[int, int | None], None] | None,
    use: Callable[[Package], T],
) -> tuple[Package, T]:
    """The package and what ``use``, which must link it first of all, makes of it.

    A package may be pruned between the look for it and the links to it: then it is fetched and used once more.
    """
    for again in (True, False):
        package = package_for(services, scope, version, progress)
        before = services.packages.inode(package)
        try:
            made = use(package)
        except BackendFailed:
            if not again or _is_still(services, package, before):
                raise
        else:
            if _is_still(services, package, before):
                return package, made
    raise BackendFailed(f"Runner package {package.version} was removed while it was linked", hint="Try again")


def _is_still(services: Services, package: Package, inode: int | None) -> bool:
    return inode is not None and services.packages.inode(package) == inode


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
    platform = releases.platform_of_machine()
    if version != "latest" and (ready := services.packages.ready(version, platform)):
        return ready
    api_url, _ = services.settings.github_urls
    release = releases.resolve(
        version,
        key=f"{api_url} {scope}",
        downloads=lambda: services.github.downloads(scope),
        release=services.github.release,
        cache=services.settings.state_dir / "releases.json",
        clock=services.clock,
        fresh=fresh,
    )
    return services.packages.ready(release.version, platform) or services.packages.fetch(release, progress=progress)
