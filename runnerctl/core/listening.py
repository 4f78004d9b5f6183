"""Where the server listens, for whom, and whether that is safe: where nobody else can hear the tokens, or by TLS."""

from __future__ import annotations

import grp
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from .domain.errors import ConfigInvalid
from .host import job_users
from .settings.load import Settings


@dataclass(frozen=True, kw_only=True)
class Address:
    """Either a path or a host and a port."""

    host: str = ""
    port: int = 0
    path: Path | None = None

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else f"{self.host}:{self.port}"


def parse(text: str) -> Address:
    """Raises ``ConfigInvalid``."""
    if text.startswith("unix:"):
        path = Path(text.removeprefix("unix:"))
        if path.is_absolute():
            return Address(path=path)
    else:
        host, colon, port = text.rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host if ":" not in host else ""
        if colon and host and port.isascii() and port.isdigit() and int(port) < 65536:
            return Address(host=host, port=int(port))
    raise ConfigInvalid(
        f"The address {text!r} cannot be used", hint="Use HOST:PORT, [ADDRESS]:PORT or unix:/path for server.bind"
    )


def check_address(settings: Settings, address: Address) -> None:
    """Raises ``ConfigInvalid`` for an address that other machines reach, without TLS and without a word for it."""
    if address.path is not None or _is_loopback(address.host):
        return
    if settings.server.tls_cert or settings.server.insecure_bind:
        return
    raise ConfigInvalid(
        f"Other machines can reach {address}, and tokens would travel unencrypted",
        hint="Use --tls-cert and --tls-key; or, if a proxy encrypts or the network is private, "
        "--insecure-bind or RUNNERCTL_INSECURE_BIND=true",
    )


def socket_group(settings: Settings) -> int | None:
    """The id of the group that the unix socket is for. Raises ``ConfigInvalid`` for one that is not there."""
    name = settings.server.socket_group
    if name is None:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as exc:
        raise ConfigInvalid(f"server.socket_group {name!r} is not a group of this host") from exc


def check_no_job_is_member(settings: Settings) -> None:
    """Raises ``ConfigInvalid`` where jobs are members of the socket's group, and so would be operators."""
    group = socket_group(settings)
    if group is None:
        return
    given = job_users.groups(settings.run_as_groups or ())
    own = () if settings.run_as is None else tuple(gid for _, gid in job_users.resolve(settings.run_as))
    if group in (*given, *own):
        raise ConfigInvalid(
            f"Jobs are members of server.socket_group {settings.server.socket_group!r}: each would be an operator",
            hint="Name a group of people only, or take it out of run_as_groups",
        )


def tls(settings: Settings) -> ssl.SSLContext | None:
    """None where no certificate is set. Raises ``ConfigInvalid``."""
    files = _files(settings)
    if files is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, *files)
    return context


def renew(context: ssl.SSLContext, settings: Settings) -> None:
    """The files as they are now, for connections from now on. Raises ``ConfigInvalid``; then the old ones stay."""
    files = _files(settings)
    if files is None:
        raise ConfigInvalid("No TLS certificate is set any more")
    # Elsewhere first: a key that does not fit would leave a context with half of each.
    _load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), *files)
    _load(context, *files)


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _files(settings: Settings) -> tuple[Path, Path] | None:
    certificate, key = settings.server.tls_cert, settings.server.tls_key
    if (certificate is None) is not (key is None):
        given, missing = ("certificate", "key") if certificate else ("key", "certificate")
        raise ConfigInvalid(f"A TLS {given} is set, but no {missing}", hint="Use --tls-cert and --tls-key together")
    return (certificate, key) if certificate and key else None


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        # An empty password: a key that needs one must not make us ask the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as exc:
        reason = "they do not belong together" if "KEY_VALUES_MISMATCH" in str(exc) else _reason(exc)
        raise ConfigInvalid(
            f"The TLS certificate {str(certificate)!r} and key {str(key)!r} cannot be used: {reason}",
            hint="Both are PEM files; the certificate's holds the chain, the key has no password",
        ) from exc


def _reason(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLError):
        return (exc.reason or "not PEM").lower().replace("_", " ")
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc)
