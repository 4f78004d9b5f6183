"""Where it is safe to listen: where nobody else can hear the tokens, or by TLS."""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path

from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.settings.load import Settings

from .addresses import Address, shown


def check(settings: Settings, address: Address) -> None:
    """Raises ``ConfigInvalid`` for an address that other machines reach, without TLS and without a word for it."""
    if address.path is not None or _is_loopback(address.host):
        return
    if settings.get("server.tls_cert") or settings.get("server.insecure_bind"):
        return
    raise ConfigInvalid(
        f"Other machines reach {shown(address)}, and tokens would travel there in the clear",
        hint="Give --tls-cert and --tls-key; or, where something in between encrypts or the network is your own, "
        "--insecure-bind or RUNNERCTL_INSECURE_BIND=true",
    )


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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


def _files(settings: Settings) -> tuple[Path, Path] | None:
    certificate, key = settings.get("server.tls_cert"), settings.get("server.tls_key")
    if bool(certificate) is not bool(key):
        given, missing = ("certificate", "key") if certificate else ("key", "certificate")
        raise ConfigInvalid(f"A TLS {given} is set, but no {missing}", hint="Give --tls-cert and --tls-key")
    return (Path(certificate), Path(key)) if certificate else None


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
