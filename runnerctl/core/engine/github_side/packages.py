"""The runner package that a create needs, fetched only if it is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...domain.models import Scope
from ...packages import releases
from ...packages.store import Package
from ...services import Services
from ..making import Progress


def is_at_hand(services: Services, scope: Scope, version: str) -> bool:
    """Whether it is unpacked here, as far as that is known without asking GitHub."""
    exact = version
    if version == releases.LATEST:
        offered = releases.remembered(_cache(services), key=_key(services, scope), clock=services.clock)
        if offered is None:
            return False
        exact = offered.version
    return _ready(services, exact) is not None


def fetch(services: Services, scope: Scope, version: str, progress: Progress | None) -> Package:
    """It is there when this returns. Raises what GitHub or a download raises."""
    with kept(services, scope, version, progress) as package:
        return package


@contextmanager
def kept(services: Services, scope: Scope, version: str, progress: Progress | None = None) -> Iterator[Package]:
    """The package, fetched if it must be; no prune takes it away meanwhile."""
    release = _release(services, scope, version) if version == releases.LATEST else None
    exact = version if release is None else release.version
    with services.packages.kept(exact, releases.platform_of_machine()):
        yield _ready(services, exact) or services.packages.fetch(
            release or _release(services, scope, version), progress=progress
        )


def package_for(
    services: Services,
    scope: Scope,
    version: str,
    progress: Progress | None,
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
    return releases.resolve(
        version,
        key=_key(services, scope),
        downloads=lambda: services.github.downloads(scope),
        release=services.github.release,
        cache=_cache(services),
        clock=services.clock,
        fresh=fresh,
    )


def _key(services: Services, scope: Scope) -> str:
    api_url, _ = services.settings.github_urls
    return f"{api_url} {scope}"


def _cache(services: Services) -> Path:
    return services.settings.state_dir / "releases.json"
