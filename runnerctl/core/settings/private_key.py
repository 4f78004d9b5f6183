"""The App's private key, from PEM text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..domain.errors import ConfigInvalid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


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
