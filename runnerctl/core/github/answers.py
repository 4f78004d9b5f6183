"""What GitHub says when it agrees: the shapes on the wire, and the values made of them.

Readers are lenient as GitHub asks: unknown fields are ignored, and what older Enterprise Servers leave out is None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from ..redact import redact


class RemoteRunner(msgspec.Struct, frozen=True, kw_only=True):
    """A registration as GitHub sees it. A Struct because lists make thousands of them."""

    id: int
    name: str
    os: str
    status: str
    """A free string: ``online`` and ``offline`` are what was seen so far."""
    busy: bool
    """Can be true while ``offline``."""
    labels: tuple[str, ...]
    ephemeral: bool | None
    version: str | None
    """None until it connected for the first time, or when GitHub does not say."""
    group_id: int | None


@dataclass(frozen=True, kw_only=True)
class JitConfig:
    """``encoded`` holds the runner's private key: it is a secret as a whole."""

    runner: RemoteRunner
    encoded: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Download:
    """The runner package that GitHub has rolled out for one platform."""

    os: str
    architecture: str
    url: str
    filename: str
    sha256: str | None
    temp_token: str | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Deprecation:
    """When a version ends, in seconds since the epoch; None: no end is set."""

    runtime_at: float | None
    registration_at: float | None


@dataclass(frozen=True, kw_only=True)
class Asset:
    name: str
    url: str
    size: int
    digest: str | None
    """``sha256:HEX``; older assets have none."""


@dataclass(frozen=True, kw_only=True)
class Release:
    version: str
    """Without the ``v`` of its tag."""
    prerelease: bool
    body: str
    assets: tuple[Asset, ...]


class WireLabel(msgspec.Struct):
    name: str


class WireRunner(msgspec.Struct):
    id: int
    name: str
    os: str | None = None
    status: str | None = None
    busy: bool | None = None
    labels: list[WireLabel] | None = None
    ephemeral: bool | None = None
    version: str | None = None
    runner_group_id: int | None = None

    def value(self) -> RemoteRunner:
        return RemoteRunner(
            id=self.id,
            name=self.name,
            os=self.os or "unknown",
            status=redact(self.status or "unknown"),
            busy=bool(self.busy),
            labels=tuple(label.name for label in self.labels or ()),
            ephemeral=self.ephemeral,
            version=self.version,
            group_id=self.runner_group_id,
        )


class WireRunners(msgspec.Struct):
    runners: list[WireRunner]


class WireJitConfig(msgspec.Struct):
    runner: WireRunner
    encoded_jit_config: str

    def value(self) -> JitConfig:
        return JitConfig(runner=self.runner.value(), encoded=self.encoded_jit_config)


class WireToken(msgspec.Struct):
    token: str
    expires_at: datetime


class WireGroup(msgspec.Struct):
    id: int
    name: str


class WireGroups(msgspec.Struct):
    runner_groups: list[WireGroup]


class WireApp(msgspec.Struct):
    name: str
    slug: str | None = None


class WireInstallation(msgspec.Struct):
    id: int


class WireRepository(msgspec.Struct):
    private: bool
    """Also where all members of the enterprise may see it (``internal``)."""


class WireDownload(msgspec.Struct):
    os: str
    architecture: str
    download_url: str
    filename: str
    sha256_checksum: str | None = None
    temp_download_token: str | None = None

    def value(self) -> Download:
        return Download(
            os=self.os,
            architecture=self.architecture,
            url=self.download_url,
            filename=self.filename,
            sha256=self.sha256_checksum or None,
            temp_token=self.temp_download_token or None,
        )


class WireDeprecation(msgspec.Struct):
    """``registration_deprecates_at`` has been absent from every answer so far."""

    runner_version: str
    runtime_deprecates_at: datetime | None = None
    registration_deprecates_at: datetime | None = None

    def value(self) -> Deprecation:
        return Deprecation(
            runtime_at=_seconds(self.runtime_deprecates_at), registration_at=_seconds(self.registration_deprecates_at)
        )


def _seconds(time: datetime | None) -> float | None:
    if time is None:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


class WireAsset(msgspec.Struct):
    name: str
    browser_download_url: str
    size: int = 0
    digest: str | None = None

    def value(self) -> Asset:
        return Asset(name=self.name, url=self.browser_download_url, size=self.size, digest=self.digest)


class WireRelease(msgspec.Struct):
    tag_name: str
    prerelease: bool = False
    body: str | None = None
    assets: list[WireAsset] = []

    def value(self) -> Release:
        return Release(
            version=self.tag_name.removeprefix("v"),
            prerelease=self.prerelease,
            body=self.body or "",
            assets=tuple(asset.value() for asset in self.assets),
        )
