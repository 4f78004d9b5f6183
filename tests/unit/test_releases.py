"""Which release is taken, what verifies it, and when GitHub is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from runnerctl.core.domain.errors import ConfigInvalid, GitHubUnavailable, PackageInvalid
from runnerctl.core.packages.releases import platform_of_machine, resolve

SHA = "a" * 64
OTHER_SHA = "b" * 64


@dataclass(kw_only=True)
class Offer:
    version: str = "2.336.0"
    os: str = "linux"
    architecture: str = "x64"
    sha256: str | None = SHA
    temp_token: str | None = None

    @property
    def filename(self) -> str:
        return f"actions-runner-{self.os}-{self.architecture}-{self.version}.tar.gz"

    @property
    def url(self) -> str:
        return f"https://offered.test/{self.filename}"


@dataclass(kw_only=True)
class Asset:
    name: str
    digest: str | None = None

    @property
    def url(self) -> str:
        return f"https://public.test/{self.name}"


@dataclass(kw_only=True)
class Published:
    body: str = ""
    assets: list[Asset] = field(default_factory=list)


def published(version: str, *, sha256: str | None = None, body: str = "", platform: str = "linux-x64") -> Published:
    return Published(
        body=body,
        assets=[Asset(name=f"actions-runner-{platform}-{version}.tar.gz", digest=sha256 and f"sha256:{sha256}")],
    )


class HandSetClock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time

    monotonic = now

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class GitHub:
    """Offers and releases, and what was asked for."""

    def __init__(self, *offers: Offer, releases: dict[str, Published] | None = None) -> None:
        self.offers = list(offers)
        self.releases = releases or {}
        self.asked: list[str] = []

    def downloads(self) -> list[Offer]:
        self.asked.append("downloads")
        return self.offers

    def release(self, version: str) -> Published | None:
        self.asked.append(version)
        return self.releases.get(version)


class DownGitHub(GitHub):
    def downloads(self) -> list[Offer]:
        raise GitHubUnavailable("GitHub did not answer")


@pytest.fixture
def clock():
    return HandSetClock()


@pytest.fixture
def take(tmp_path, clock):
    def resolved(github: GitHub, version: str = "latest", *, platform: str = "linux-x64", key: str = "api o/r"):
        return resolve(
            version,
            platform=platform,
            downloads=github.downloads,
            release=github.release,
            cache=tmp_path / "releases.json",
            key=key,
            clock=clock,
        )

    return resolved


@pytest.mark.parametrize(
    ("machine", "expected"),
    [("x86_64", "linux-x64"), ("AMD64", "linux-x64"), ("aarch64", "linux-arm64"), ("arm64", "linux-arm64")],
)
def test_the_platform_follows_the_machine(machine, expected):
    assert platform_of_machine(machine) == expected


def test_a_machine_without_runner_is_refused():
    with pytest.raises(ConfigInvalid, match="'riscv64'"):
        platform_of_machine("riscv64")


def test_latest_is_what_the_scope_is_offered_for_the_platform(take):
    github = GitHub(Offer(architecture="arm64", version="2.340.0"), Offer(os="osx"), Offer(), Offer(os="win"))
    release = take(github)
    assert (release.version, release.platform, release.sha256) == ("2.336.0", "linux-x64", SHA)
    assert release.url == "https://offered.test/actions-runner-linux-x64-2.336.0.tar.gz"
    assert github.asked == ["downloads"]


def test_of_several_offers_the_newest_counts_by_number(take):
    assert (
        take(GitHub(Offer(version="2.99.0"), Offer(version="2.336.0"), Offer(version="2.100.0"))).version == "2.336.0"
    )


def test_a_pinned_version_that_is_offered_is_taken_from_the_offer(take):
    github = GitHub(Offer())
    assert take(github, "2.336.0").url.startswith("https://offered.test/")
    assert github.asked == ["downloads"]


BODY = (
    f"- x <!-- BEGIN SHA linux-x64 -->{SHA.upper()}<!-- END SHA linux-x64 -->\n"
    f"- y <!-- BEGIN SHA win-x64 -->{OTHER_SHA}<!-- END SHA win-x64 -->\n"
)


@pytest.mark.parametrize(
    ("release", "sha256"),
    [
        pytest.param(published("2.330.0", sha256=SHA), SHA, id="digest"),
        pytest.param(published("2.330.0", sha256=SHA, body=BODY.replace("A", "c")), SHA, id="digest before notes"),
        pytest.param(published("2.330.0", body=BODY), SHA, id="notes"),
    ],
)
def test_a_pinned_version_that_is_not_offered_is_verified_by_its_release(take, release, sha256):
    found = take(GitHub(Offer(), releases={"2.330.0": release}), "2.330.0")
    assert (found.version, found.sha256) == ("2.330.0", sha256)
    assert found.url.startswith("https://public.test/")


@pytest.mark.parametrize(
    "release",
    [
        pytest.param(published("2.330.0"), id="nothing"),
        pytest.param(published("2.330.0", sha256="abc"), id="short digest"),
        pytest.param(published("2.330.0", sha256=f"{SHA}{SHA}"), id="digest of another kind"),
        pytest.param(published("2.330.0", body=BODY.replace("linux-x64", "linux-arm")), id="notes of another platform"),
        pytest.param(published("2.330.0", body="<!-- BEGIN SHA linux-x64 --><!-- END SHA linux-x64 -->"), id="empty"),
    ],
)
def test_what_cannot_be_verified_is_refused(take, release):
    with pytest.raises(PackageInvalid, match=r"2\.330\.0 for linux-x64 cannot be verified"):
        take(GitHub(Offer(), releases={"2.330.0": release}), "2.330.0")


@pytest.mark.parametrize("releases", [{}, {"9.9.9": Published()}, {"9.9.9": published("9.9.9", platform="osx-x64")}])
def test_a_version_that_does_not_exist_is_refused(take, releases):
    with pytest.raises(PackageInvalid, match=r"no runner 9\.9\.9 for linux-x64"):
        take(GitHub(Offer(), releases=releases), "9.9.9")


def test_nothing_offered_is_refused(take):
    with pytest.raises(PackageInvalid, match="offers no runner for linux-arm64"):
        take(GitHub(Offer()), platform="linux-arm64")


def test_an_offer_without_checksum_keeps_its_address_and_is_verified_once(take):
    github = GitHub(Offer(sha256=None), releases={"2.336.0": published("2.336.0", sha256=SHA)})
    releases = [take(github), take(github)]
    assert github.asked == ["downloads", "2.336.0"]
    assert {(release.sha256, release.url[:22]) for release in releases} == {(SHA, "https://offered.test/a")}


@pytest.mark.parametrize(
    "filename", ["../../etc/passwd", "actions-runner-linux-x64-2.336.0.zip", "actions-runner.tar.gz"]
)
def test_an_offer_with_a_strange_file_name_is_none(take, filename):
    class Strange(Offer):
        filename = ""

    offer = Strange()
    offer.filename = filename
    with pytest.raises(PackageInvalid):
        take(GitHub(offer))


def test_an_offer_is_remembered_for_six_hours_by_whoever_asks(take, clock):
    take(GitHub(Offer()))
    clock.time += 6 * 3600 - 1
    assert take(DownGitHub()).version == "2.336.0"
    clock.time += 1
    assert take(GitHub(Offer(version="2.337.0"))).version == "2.337.0"


@pytest.mark.parametrize("other", [{"key": "api o/other"}, {"platform": "linux-arm64"}])
def test_an_offer_is_remembered_for_its_scope_and_platform_only(take, other):
    take(GitHub(Offer()))
    github = GitHub(Offer(version="2.330.0"), Offer(version="2.330.0", architecture="arm64"))
    assert take(github, **other).version == "2.330.0"
    assert take(DownGitHub()).version == "2.336.0"


def test_a_clock_set_back_does_not_keep_an_offer_for_ever(take, clock):
    take(GitHub(Offer()))
    clock.time -= 10
    assert take(GitHub(Offer(version="2.337.0"))).version == "2.337.0"


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]", b'{"a":1}', b'{"a":{"at":"x"}}', b'{"api o/r linux-x64":{"at":1000000.0}}']
)
def test_a_damaged_cache_is_an_empty_one(take, tmp_path, content):
    (tmp_path / "releases.json").write_bytes(content)
    assert take(GitHub(Offer())).version == "2.336.0"
    assert json.loads((tmp_path / "releases.json").read_bytes())


def test_a_temporary_token_is_used_and_never_stored(take, tmp_path):
    github = GitHub(Offer(temp_token="short-lived"))
    assert [take(github).temp_token, take(github).temp_token] == ["short-lived"] * 2
    assert "short-lived" not in repr(take(github))
    assert not (tmp_path / "releases.json").exists()


def test_a_cache_that_cannot_be_written_costs_a_call_and_no_more(take, tmp_path):
    (tmp_path / "releases.json").mkdir()
    github = GitHub(Offer())
    assert [take(github).version, take(github).version] == ["2.336.0"] * 2
    assert github.asked == ["downloads"] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["releases.json"]
