"""What actions/runner needs of a host, what of that is missing, and which package has it.

It is self-contained .NET 8, and Node.js for actions: release-notes/8.0/linux-packages.md of dotnet/core,
``installdependencies.sh`` of the package, and what was seen of the real one where something was missing.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from .shared_libraries import SharedLibraries

INVARIANT = "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"
_OLDEST_GLIBC = (2, 28)
"""Node.js 20 and 24 want it; .NET 8 is content with 2.23."""
_OLDEST_ICU = 50
_OPENSSL = ("3", "1.1", "1.0.2", "1.0.0", "10")
"""In the order in which .NET tries them."""
_BUNDLES = (
    *("etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/ca-bundle.crt", "etc/ssl/ca-bundle.pem"),
    *("etc/ssl/cert.pem", "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
)


class Need(Enum):
    ICU = "libicu"
    SSL = "libssl"
    KERBEROS = "libgssapi_krb5"
    ZLIB = "zlib"
    CPP = "libstdc++"
    CERTIFICATES = "CA certificates"


class Missing(NamedTuple):
    message: str
    hint: str


_ENDS = {
    Need.ICU: "runners cannot start",
    Need.SSL: "runners cannot start",
    Need.KERBEROS: "runners cannot use proxies that ask for Kerberos, and may not start",
    Need.ZLIB: "runners may not start",
    Need.CPP: "runners cannot start",
    Need.CERTIFICATES: "runners trust no GitHub",
}
_DEBIAN = {
    "bullseye": ("libicu67", "libssl1.1"),
    "bookworm": ("libicu72", "libssl3"),
    "trixie": ("libicu76", "libssl3t64"),
    "focal": ("libicu66", "libssl1.1"),
    "jammy": ("libicu70", "libssl3"),
    "noble": ("libicu74", "libssl3t64"),
}
"""Their names change with each release; the development packages bring the right one along."""
_PACKAGES: Mapping[str, tuple[str, Mapping[Need, str]]] = {
    "debian": (
        "apt-get install",
        {
            Need.ICU: "libicu-dev",
            Need.SSL: "libssl-dev",
            Need.KERBEROS: "libgssapi-krb5-2",
            Need.ZLIB: "zlib1g",
            Need.CPP: "libstdc++6",
            Need.CERTIFICATES: "ca-certificates",
        },
    ),
    "fedora": (
        "dnf install",
        {
            Need.ICU: "libicu",
            Need.SSL: "openssl-libs",
            Need.KERBEROS: "krb5-libs",
            Need.ZLIB: "zlib",
            Need.CPP: "libstdc++",
            Need.CERTIFICATES: "ca-certificates",
        },
    ),
    "suse": (
        "zypper install",
        {
            Need.ICU: "libicu",
            Need.SSL: "libopenssl3",
            Need.KERBEROS: "krb5",
            Need.ZLIB: "libz1",
            Need.CPP: "libstdc++6",
            Need.CERTIFICATES: "ca-certificates-mozilla",
        },
    ),
    "arch": (
        "pacman -S",
        {
            Need.ICU: "icu",
            Need.SSL: "openssl",
            Need.KERBEROS: "krb5",
            Need.ZLIB: "zlib",
            Need.CPP: "gcc-libs",
            Need.CERTIFICATES: "ca-certificates",
        },
    ),
}
_FAMILIES = {"ubuntu": "debian", "rhel": "fedora", "centos": "fedora", "amzn": "fedora", "opensuse": "suse"}


def missing(
    root: Path, *, machine: str, glibc: str | None, variables: Mapping[str, str], needs_certificates: bool
) -> list[Missing]:
    """What a runner with those ``variables`` would miss; ``glibc`` is its version, None where there is none."""
    if glibc is None:
        return [Missing("This system has no glibc: actions/runner does not run on musl", "Use another distribution")]
    told = _of_glibc(glibc)
    libraries = SharedLibraries(root, machine=machine)
    lacking = [need for need in _lacking(libraries, variables) if need is not None]
    if needs_certificates and not _has_certificates(root, variables):
        lacking.append(Need.CERTIFICATES)
    release = _release(root)
    return told + [_missing(need, release) for need in lacking]


def own_glibc() -> str | None:
    """The version of the one that this very program runs with."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except ValueError:  # another C library does not know the question
        return None
    return version if name == "glibc" else None


def _of_glibc(version: str) -> list[Missing]:
    parts = version.split(".")[:2]
    if not all(part.isdecimal() for part in parts) or tuple(map(int, parts)) >= _OLDEST_GLIBC:
        return []
    oldest = ".".join(map(str, _OLDEST_GLIBC))
    return [Missing(f"glibc {version} is older than {oldest}, which runners need", "Use a newer distribution")]


def _lacking(libraries: SharedLibraries, variables: Mapping[str, str]) -> tuple[Need | None, ...]:
    # Both of the same version: .NET takes no other.
    icu = libraries.versions("libicuuc") & libraries.versions("libicui18n")
    has_icu = any(version >= _OLDEST_ICU for version in icu) or is_invariant(variables)
    has_ssl = any(libraries.has(f"libssl.so.{each}") and libraries.has(f"libcrypto.so.{each}") for each in _OPENSSL)
    return (
        None if has_icu else Need.ICU,
        None if has_ssl else Need.SSL,
        None if libraries.has("libgssapi_krb5.so.2") else Need.KERBEROS,
        None if libraries.has("libz.so.1") else Need.ZLIB,
        None if libraries.has("libstdc++.so.6") and libraries.has("libgcc_s.so.1") else Need.CPP,
    )


def is_invariant(variables: Mapping[str, str]) -> bool:
    """.NET is told to do without ICU."""
    return variables.get(INVARIANT, "").lower() in {"1", "true"}


def _has_certificates(root: Path, variables: Mapping[str, str]) -> bool:
    if variables.get("SSL_CERT_FILE") or variables.get("SSL_CERT_DIR"):
        return True
    return any(_is_filled(root / each) for each in _BUNDLES)


def _is_filled(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _release(root: Path) -> dict[str, str]:
    """os-release(5)."""
    for each in ("etc/os-release", "usr/lib/os-release"):
        try:
            text = (root / each).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
        return {name.strip(): _unquoted(value) for name, _, value in pairs}
    return {}


def _unquoted(value: str) -> str:
    try:
        return "".join(shlex.split(value)[:1])
    except ValueError:
        return ""


def _missing(need: Need, release: Mapping[str, str]) -> Missing:
    hint = _install(need, release)
    if need is Need.ICU:
        hint += f"; or set {INVARIANT}=1 in job_env, which jobs get as well"
    is_or_are = "are" if need is Need.CERTIFICATES else "is"
    return Missing(f"{need.value} {is_or_are} missing: {_ENDS[need]}", hint)


def _install(need: Need, release: Mapping[str, str]) -> str:
    names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    family = next((each for name in names if (each := _FAMILIES.get(name, name.partition("-")[0])) in _PACKAGES), None)
    if family is None:
        return f"Install {need.value}; bin/installdependencies.sh of the runner's package knows some distributions"
    command, packages = _PACKAGES[family]
    named = dict(zip((Need.ICU, Need.SSL), _DEBIAN.get(release.get("VERSION_CODENAME", ""), ()), strict=False))
    package = named.get(need) if family == "debian" else None
    return f"sudo {command} {package or packages[need]}"
