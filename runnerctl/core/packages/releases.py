"""Which release of the runner to take, and its checksum.

GitHub rolls releases out gradually: the scope's own list of downloads names the version meant for it and comes with
the sha256. Only a version it does not offer is looked up among the public releases: the asset's digest, else the
checksum in the release notes. What cannot be verified is refused.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from ..domain.clock import Clock
from ..domain.errors import ConfigInvalid, PackageInvalid
from ..redact import looks_secret

CACHE_SECONDS = 6 * 3600.0
LATEST = "latest"

_PLATFORMS = {"x86_64": "linux-x64", "amd64": "linux-x64", "aarch64": "linux-arm64", "arm64": "linux-arm64"}
_FILENAME = re.compile(r"actions-runner-(linux-[a-z0-9]+)-(\d{1,4}\.\d{1,6}\.\d{1,6})\.tar\.gz", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Download(Protocol):
    """One entry of the scope's ``actions/runners/downloads``."""

    @property
    def os(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def filename(self) -> str: ...
    @property
    def sha256(self) -> str | None: ...
    @property
    def temp_token(self) -> str | None: ...


class ReleaseAsset(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def digest(self) -> str | None:
        """``sha256:HEX``; older assets have none."""


class GitHubRelease(Protocol):
    """A public release of actions/runner."""

    @property
    def body(self) -> str: ...
    @property
    def assets(self) -> Sequence[ReleaseAsset]: ...


@dataclass(frozen=True, kw_only=True)
class Release:
    """One archive to download, and what it must hash to."""

    version: str
    platform: str
    url: str
    filename: str
    sha256: str
    temp_token: str | None = field(default=None, repr=False)
    """Asked for by GitHub Enterprise Server only; short-lived."""


def platform_of_machine(machine: str | None = None) -> str:
    """``linux-x64`` or ``linux-arm64``. Raises ``ConfigInvalid`` where GitHub has no runner for it."""
    machine = os.uname().machine if machine is None else machine
    try:
        return _PLATFORMS[machine.lower()]
    except KeyError:
        raise ConfigInvalid(
            f"There is no runner for machine {machine!r}", hint="Use a Linux host with x86_64 or aarch64"
        ) from None


def resolve(
    version: str,
    *,
    platform: str | None = None,
    downloads: Callable[[], Sequence[Download]],
    release: Callable[[str], GitHubRelease | None],
    cache: Path,
    key: str,
    clock: Clock,
    fresh: bool = False,
) -> Release:
    """The release to take for ``version`` (``latest``, or numbers without ``v``), by default for this machine.

    ``downloads`` asks GitHub what the scope is offered; ``release`` looks up a public release by version (always None
    for GitHub Enterprise Server). Offers are kept for 6 h in the JSON file ``cache`` under ``key``, which must tell
    scopes and API addresses apart; ``fresh``: GitHub is asked all the same. Raises ``PackageInvalid`` for a version
    that does not exist or cannot be verified.
    """
    platform = platform or platform_of_machine()
    offers = _Cache(cache, key=key, clock=clock)
    offered = (None if fresh else offers.read(platform)) or _offered(platform, downloads())
    if version == LATEST and offered is None:
        raise PackageInvalid(f"GitHub offers no runner for {platform} to {key}", hint="Name a version, such as 2.336.0")
    if offered is None or version not in {LATEST, offered.version}:
        return _published(version, platform, release(version))
    if not offered.sha256:
        # The offer's address stays: it is the one that the scope may read.
        offered = replace(offered, sha256=_published(offered.version, platform, release(offered.version)).sha256)
    offers.write(offered)
    return offered


def remembered(cache: Path, *, key: str, clock: Clock) -> Release | None:
    """What that scope was offered within the last 6 h; None if it must be asked for."""
    return _Cache(cache, key=key, clock=clock).read(platform_of_machine())


def _offered(platform: str, downloads: Sequence[Download]) -> Release | None:
    """What the scope is offered for the platform; its ``sha256`` may be empty."""
    offers = [offer for offer in map(_offer, downloads) if offer is not None and offer.platform == platform]
    return max(offers, key=lambda offer: [int(part) for part in offer.version.split(".")], default=None)


def _offer(download: Download) -> Release | None:
    named = _FILENAME.fullmatch(download.filename)
    if named is None or named[1] != f"{download.os}-{download.architecture}":
        return None
    return Release(
        version=named[2],
        platform=named[1],
        url=download.url,
        filename=download.filename,
        sha256=_checksum(download.sha256),
        temp_token=download.temp_token or None,
    )


def _published(version: str, platform: str, release: GitHubRelease | None) -> Release:
    filename = f"actions-runner-{platform}-{version}.tar.gz"
    assets = [] if release is None else [asset for asset in release.assets if asset.name == filename]
    if release is None or not assets:
        raise PackageInvalid(
            f"GitHub has no runner {version} for {platform}", hint="Use 'latest', or a version that GitHub still offers"
        )
    asset = assets[0]
    sha256 = _checksum((asset.digest or "").removeprefix("sha256:")) or _checksum_in(release.body, platform)
    if not sha256:
        raise PackageInvalid(
            f"Runner {version} for {platform} cannot be verified: GitHub gives no checksum", hint="Use another version"
        )
    return Release(version=version, platform=platform, url=asset.url, filename=filename, sha256=sha256)


def _checksum_in(body: str, platform: str) -> str:
    """The release notes carry ``<!-- BEGIN SHA linux-x64 -->HEX<!-- END SHA linux-x64 -->``."""
    name = re.escape(platform)
    found = re.search(rf"<!-- BEGIN SHA {name} -->\s*([0-9a-fA-F]{{64}})\s*<!-- END SHA {name} -->", body)
    return found[1].lower() if found else ""


def _checksum(text: str | None) -> str:
    lowered = (text or "").strip().lower()
    return lowered if _SHA256.fullmatch(lowered) else ""


class _Cache:
    """The offers of all scopes in one JSON file. Any damage reads as empty; writers replace it whole."""

    def __init__(self, path: Path, *, key: str, clock: Clock) -> None:
        self._path = path
        self._key = key
        self._clock = clock

    def read(self, platform: str) -> Release | None:
        entry = self._fresh().get(f"{self._key} {platform}")
        try:
            return None if entry is None else Release(**entry["release"])
        except (TypeError, KeyError):
            return None

    def write(self, offer: Release) -> None:
        """Keep an offer that is news; one with a token is not kept, as the token is dead long before the entry."""
        if offer.temp_token is not None or looks_secret(offer.url) or self.read(offer.platform) == offer:
            return
        entries = self._fresh()
        entries[f"{self._key} {offer.platform}"] = {"at": self._clock.now(), "release": asdict(offer)}
        try:
            self._replace(json.dumps(entries))
        except OSError:  # GitHub is asked again next time
            return

    def _fresh(self) -> dict[str, Any]:
        try:
            entries = json.loads(self._path.read_bytes())
            now = self._clock.now()
            return {key: entry for key, entry in entries.items() if 0 <= now - entry["at"] < CACHE_SECONDS}
        except (OSError, ValueError, AttributeError, KeyError, TypeError):
            return {}

    def _replace(self, text: str) -> None:
        import tempfile  # a status reads, and must be quick

        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
            Path(name).replace(self._path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
