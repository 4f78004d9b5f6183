"""The runner package that a create needs, fetched only if it is not there.

No step waits for whoever else fetches, links or removes a package: that is ``NotNow``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ...domain.errors import BackendFailed, DeadlineExceeded
from ...domain.models import Scope
from ...host.locks import LockHeld
from ...packages import releases
from ...packages.store import FETCH_SECONDS, REMOVAL_SECONDS, Package
from ...services import Services
from ..failures import NotNow
from ..making import Progress


def is_at_hand(services: Services, scope: Scope, version: str) -> bool:
    """Whether it is unpacked here, as far as that is known without asking GitHub."""
    return at_hand(services, scope, version) is not None


def at_hand(services: Services, scope: Scope, version: str) -> Package | None:
    """The package if it is unpacked here; of ``latest`` the one that the scope was offered lately."""
    if version != releases.LATEST:
        return _ready(services, version)
    offered = releases.remembered(_cache(services), key=_key(services, scope), clock=services.clock)
    return None if offered is None else _ready(services, offered.version)


def hear_offer(services: Services, scope: Scope) -> None:
    """Asks which version GitHub has rolled out to that scope, unless that is known. Raises what asking raises."""
    _release(services, scope, releases.LATEST)


@contextmanager
def fetched(services: Services, scope: Scope, version: str, progress: Progress | None = None) -> Iterator[Package]:
    """The package, fetched if it must be; no prune takes it away meanwhile.

    Raises ``NotNow``, and what GitHub or a download raises.
    """
    release = _release(services, scope, version) if version == releases.LATEST else None
    exact = version if release is None else release.version
    with _kept(services, exact):
        yield _ready(services, exact) or _fetch(services, release or _release(services, scope, version), progress)


@contextmanager
def kept(services: Services, scope: Scope, version: str) -> Iterator[Package]:
    """The package that is here; no prune takes it away meanwhile. Raises ``NotNow`` for one that just was taken."""
    exact = _release(services, scope, version).version if version == releases.LATEST else version
    with _kept(services, exact):
        package = _ready(services, exact)
        if package is None:
            gone = BackendFailed(f"Runner package {exact} was removed while a runner was made of it")
            raise NotNow(gone, patience=REMOVAL_SECONDS)
        yield package


def offered(services: Services, scope: Scope, *, fresh: bool = True) -> Package:
    """What GitHub has rolled out to that scope, by now or lately, fetched if it must be. Raises like ``fetched``."""
    release = _release(services, scope, releases.LATEST, fresh=fresh)
    return _ready(services, release.version) or _fetch(services, release, None)


def package_for(services: Services, scope: Scope, version: str, progress: Progress | None) -> Package:
    """For a command, which waits for whoever fetches it already. A version that is unpacked costs no call; ``latest``
    is what GitHub rolled out to that scope, remembered for six hours."""
    if (ready := _ready(services, version)) is not None:
        return ready
    release = _release(services, scope, version)
    return _ready(services, release.version) or services.packages.fetch(release, progress=progress)


@contextmanager
def _kept(services: Services, exact: str) -> Iterator[None]:
    with ExitStack() as held:
        try:
            held.enter_context(services.packages.kept(exact, releases.platform_of_machine()))
        except LockHeld as exc:
            raise _not_now(exc, REMOVAL_SECONDS) from exc
        yield


def _fetch(services: Services, release: releases.Release, progress: Progress | None) -> Package:
    try:
        return services.packages.fetch(release, progress=progress, wait=0)
    except LockHeld as exc:
        raise _not_now(exc, FETCH_SECONDS) from exc


def _not_now(held: LockHeld, patience: float) -> NotNow:
    return NotNow(DeadlineExceeded(held.message, hint=held.hint), patience=patience)


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
