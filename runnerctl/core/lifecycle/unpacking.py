"""The runner package that a create needs, fetched only if it is not there."""

from __future__ import annotations

from collections.abc import Callable

from .. import releases
from ..models import Scope
from ..packages import Package
from ..services import Services


def package_for(
    services: Services, scope: Scope, version: str, progress: Callable[[int, int | None], None] | None
) -> Package:
    """Ready to be linked. A version that is unpacked already costs no call; ``latest`` is what GitHub rolled out to
    that scope, remembered for six hours."""
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
    )
    return services.packages.ready(release.version, platform) or services.packages.fetch(release, progress=progress)
