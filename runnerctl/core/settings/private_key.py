"""The App's private key, from PEM text; one in a file is read again when that has changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..domain.errors import ConfigInvalid
from ..file_version import file_version
from .files import read_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_FILE = "the App's private key"


def load_private_key(pem: str) -> RSAPrivateKey:
    """The App's key; raises ``ConfigInvalid`` saying what is wrong with it, and never quoting it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    hint = "Use the .pem file that GitHub gave for the App, as it was downloaded"
    if "PUBLIC KEY-----" in pem or "CERTIFICATE-----" in pem:
        raise ConfigInvalid("The App's private key is a public key or certificate", hint=hint)
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise ConfigInvalid("The App's private key is encrypted", hint="Give it without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigInvalid("The App's private key is not a PEM key", hint=hint) from None
    if not isinstance(key, RSAPrivateKey):
        raise ConfigInvalid("The App's private key is not an RSA key", hint=hint)
    return key


class PrivateKey:
    """The key in force. Safe for threads: two that find the file changed both read it."""

    def __init__(self, pem: str, *, file: Path | None = None) -> None:
        """``pem`` is what the file held, if there is one."""
        self._pem = pem
        self._file = file
        self._known: tuple[object, RSAPrivateKey] | None = None

    def current(self) -> RSAPrivateKey:
        """Raises ``ConfigInvalid`` for a key that cannot be used, also where an earlier one could: it was replaced."""
        # Before the file is read: what changes meanwhile is seen the next time.
        version = None if self._file is None else file_version(self._file)
        if self._known is None or self._known[0] != version:
            pem = self._pem if self._file is None else read_text(self._file, KEY_FILE)
            self._known = version, load_private_key(pem)
        return self._known[1]
