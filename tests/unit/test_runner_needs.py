"""What a runner needs of a host: looked up as the loader would, and named by the package that has it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from runnerctl.core.host.runner_needs import INVARIANT, Missing, missing
from runnerctl.core.host.shared_libraries import SharedLibraries

X64, ARM64, I386 = 62, 183, 3
BOOKWORM = "ID=debian\nVERSION_CODENAME=bookworm\n"
DISTRIBUTIONS = {
    BOOKWORM: ("sudo apt-get install libicu72", "sudo apt-get install libssl3"),
    'ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME="noble"\n': (
        "sudo apt-get install libicu74",
        "sudo apt-get install libssl3t64",
    ),
    "ID=debian\nVERSION_CODENAME=forky\n": ("sudo apt-get install libicu-dev", "sudo apt-get install libssl-dev"),
    'ID="rocky"\nID_LIKE="rhel centos fedora"\n': ("sudo dnf install libicu", "sudo dnf install openssl-libs"),
    'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n': ("sudo zypper install libicu", "sudo zypper install libopenssl3"),
    "ID=arch\n": ("sudo pacman -S icu", "sudo pacman -S openssl"),
    "ID=nixos\n": ("Install libicu; bin/installdependencies.sh", "Install libssl; bin/installdependencies.sh"),
    "": ("Install libicu; bin/installdependencies.sh", "Install libssl; bin/installdependencies.sh"),
}
ALL = (
    *("libicuuc.so.72", "libicui18n.so.72", "libssl.so.3", "libcrypto.so.3", "libgssapi_krb5.so.2", "libz.so.1"),
    *("libstdc++.so.6", "libgcc_s.so.1"),
)


def elf(machine: int = X64, *, bits: int = 2) -> bytes:
    return b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9) + struct.pack("<HH", 3, machine)


class Root:
    """A host's file system, as far as it matters."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.libraries(*ALL)
        self.write("etc/os-release", BOOKWORM.encode())
        self.write("etc/ssl/certs/ca-certificates.crt", b"-----BEGIN CERTIFICATE-----")

    def write(self, name: str, content: bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def libraries(self, *names: str, directory: str = "usr/lib/x86_64-linux-gnu", content: bytes | None = None) -> None:
        for name in names:
            self.write(f"{directory}/{name}", elf() if content is None else content)

    def lose(self, *names: str) -> None:
        for name in names:
            (self.path / "usr/lib/x86_64-linux-gnu" / name).unlink()

    def cache(self, entries: Mapping[str, str], *, before: bytes = b"") -> Path:
        """``ld.so.cache`` of those names; ``before``: what an older format has in front."""
        return self.write("etc/ld.so.cache", before + cache_of(entries))

    def missing(self, *, glibc: str | None = "2.36", **variables: str) -> list[Missing]:
        return missing(self.path, machine="x86_64", glibc=glibc, variables=variables, needs_certificates=True)


def cache_of(entries: Mapping[str, str]) -> bytes:
    """As glibc's dl-cache.h has it."""
    at, strings, rows = 48 + 24 * len(entries), b"", b""
    for name, path in entries.items():
        rows += struct.pack("=iIIIQ", 0x0303, at + len(strings), at + len(strings) + len(name) + 1, 0, 0)
        strings += f"{name}\0{path}\0".encode()
    return struct.pack("=20sIIB3xI12x", b"glibc-ld.so.cache1.1", len(entries), len(strings), 2, 0) + rows + strings


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def test_a_host_that_has_all_misses_nothing(root: Root) -> None:
    assert root.missing() == []


@pytest.mark.parametrize(
    ("lost", "message", "package"),
    [
        (("libicuuc.so.72",), "libicu is missing: runners cannot start", "libicu72"),
        (("libssl.so.3",), "libssl is missing: runners cannot start", "libssl3"),
        (("libcrypto.so.3",), "libssl is missing: runners cannot start", "libssl3"),
        (("libgssapi_krb5.so.2",), "libgssapi_krb5 is missing", "libgssapi-krb5-2"),
        (("libz.so.1",), "zlib is missing", "zlib1g"),
        (("libstdc++.so.6",), "libstdc++ is missing: runners cannot start", "libstdc++6"),
        (("libgcc_s.so.1",), "libstdc++ is missing", "libstdc++6"),
        (("../../../etc/ssl/certs/ca-certificates.crt",), "CA certificates are missing", "ca-certificates"),
    ],
)
def test_what_is_missing_is_named_with_its_package(
    root: Root, lost: tuple[str, ...], message: str, package: str
) -> None:
    root.lose(*lost)
    (found,) = root.missing()
    assert found.message.startswith(message)
    assert found.hint.startswith(f"sudo apt-get install {package}")


@pytest.mark.parametrize("release", DISTRIBUTIONS)
def test_each_distribution_has_packages_of_its_own(root: Root, release: str) -> None:
    root.write("etc/os-release", release.encode())
    root.lose("libicuuc.so.72", "libssl.so.3")
    icu, ssl = root.missing()
    assert (icu.hint.startswith(DISTRIBUTIONS[release][0]), ssl.hint.startswith(DISTRIBUTIONS[release][1])) == (
        True,
        True,
    )
    assert f"{INVARIANT}=1 in job_env" in icu.hint


@pytest.mark.parametrize(
    "content",
    [elf(I386, bits=1), elf(ARM64), b"GROUP ( /lib/libicuuc.so.72.1 )", b""],
    ids=["32 bits", "arm", "text", "empty"],
)
def test_a_name_alone_is_no_library(root: Root, content: bytes) -> None:
    root.libraries("libicuuc.so.72", content=content)
    assert [each.message for each in root.missing()] == ["libicu is missing: runners cannot start"]


def test_a_link_that_leads_nowhere_is_no_library(root: Root) -> None:
    root.lose("libz.so.1")
    (root.path / "usr/lib/x86_64-linux-gnu/libz.so.1").symlink_to("libz.so.1.3")
    assert [each.message.split(" ")[0] for each in root.missing()] == ["zlib"]


def test_both_parts_of_icu_have_to_be_of_one_version_and_not_of_an_old_one(root: Root) -> None:
    root.lose("libicui18n.so.72")
    root.libraries("libicui18n.so.74")
    assert len(root.missing()) == 1
    root.libraries("libicuuc.so.49", "libicui18n.so.49")
    assert len(root.missing()) == 1
    root.libraries("libicuuc.so.74")
    assert root.missing() == []


@pytest.mark.parametrize("value", ["1", "true", "TRUE"])
def test_whoever_does_without_icu_needs_none(root: Root, value: str) -> None:
    root.lose("libicuuc.so.72", "libicui18n.so.72")
    assert root.missing(**{INVARIANT: value}) == []
    assert len(root.missing(**{INVARIANT: "0"})) == 1


@pytest.mark.parametrize("version", ["1.1", "10"])
def test_an_older_openssl_does_as_well(root: Root, version: str) -> None:
    root.lose("libssl.so.3", "libcrypto.so.3")
    root.libraries(f"libssl.so.{version}", f"libcrypto.so.{version}")
    assert root.missing() == []


def test_certificates_that_the_settings_name_are_enough(root: Root) -> None:
    root.write("etc/ssl/certs/ca-certificates.crt", b"")
    assert len(root.missing()) == 1
    assert root.missing(SSL_CERT_FILE="/etc/mine.pem") == []


@pytest.mark.parametrize(
    ("glibc", "says"), [("2.28", None), ("2.40", None), ("2.17", "glibc 2.17 is older than 2.28"), (None, "no glibc")]
)
def test_the_c_library_has_to_be_glibc_and_not_too_old(root: Root, glibc: str | None, says: str | None) -> None:
    found = root.missing(glibc=glibc)
    assert found == [] if says is None else says in found[0].message


# -- the loader's cache


@pytest.mark.parametrize("before", [b"", b"ld.so-1.7.0\0" + bytes(4) + b"\0" * 8])
def test_what_the_loaders_cache_names_is_found_anywhere(root: Root, before: bytes) -> None:
    root.lose("libicuuc.so.72", "libz.so.1")
    root.libraries("libicuuc.so.72.1", "libz.so.1", directory="opt/lib")
    root.cache({"libicuuc.so.72": "/opt/lib/libicuuc.so.72.1", "libz.so.1": "/opt/lib/libz.so.1"}, before=before)
    assert root.missing() == []


def test_what_it_names_and_is_gone_is_not_found(root: Root) -> None:
    root.lose("libz.so.1")
    root.cache({"libz.so.1": "/opt/lib/libz.so.1"})
    assert len(root.missing()) == 1


@pytest.mark.parametrize("cut", [0, 10, 30, 60, 100, -3])
def test_a_cache_that_is_cut_short_is_no_cache(root: Root, cut: int) -> None:
    whole = root.cache({name: f"/opt/lib/{name}" for name in ALL}).read_bytes()
    root.write("etc/ld.so.cache", whole[:cut])
    assert root.missing() == [], "the usual directories are looked into all the same"


def test_versions_are_numbers(root: Root) -> None:
    root.libraries("libicuuc.so", "libicuuc.so.72.1", "libicuuc.so.x")
    assert SharedLibraries(root.path, machine="x86_64").versions("libicuuc") == {72}
