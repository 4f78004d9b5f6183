"""RSA keys, in the forms in which GitHub and actions/runner write them down."""

from __future__ import annotations

import base64
from functools import lru_cache
from xml.etree import ElementTree

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    RSAPublicNumbers,
    generate_private_key,
)


@lru_cache(maxsize=8)
def private_key(purpose: str) -> RSAPrivateKey:  # noqa: ARG001 - it tells the keys of one process apart
    """The key of this process for one purpose. Making one costs some 100 ms, so there is one for all sandboxes."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def to_pem(key: RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def from_pem(pem: str) -> RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("The App's private key is not an RSA key")
    return key


def to_rsa_parameters(key: RSAPrivateKey) -> dict[str, str]:
    """The content of ``.credentials_rsaparams``."""
    numbers = key.private_numbers()
    size = key.key_size // 8
    return {
        "d": _base64(numbers.d, size),
        "dp": _base64(numbers.dmp1, size // 2),
        "dq": _base64(numbers.dmq1, size // 2),
        "exponent": _base64(numbers.public_numbers.e, 3),
        "inverseQ": _base64(numbers.iqmp, size // 2),
        "modulus": _base64(numbers.public_numbers.n, size),
        "p": _base64(numbers.p, size // 2),
        "q": _base64(numbers.q, size // 2),
    }


def from_xml(text: str) -> RSAPublicKey:
    """``<RSAKeyValue>`` as .NET writes it. Raises ValueError for anything else."""
    if len(text) > 4096 or "<!" in text:  # no DOCTYPE: it could define entities that blow up
        raise ValueError("Not an RSAKeyValue")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - bounded and without DOCTYPE, see above
    except ElementTree.ParseError as exc:
        raise ValueError("Not an RSAKeyValue") from exc
    modulus, exponent = (
        int.from_bytes(base64.b64decode(root.findtext(tag, "")), "big") for tag in ("Modulus", "Exponent")
    )
    return RSAPublicNumbers(exponent, modulus).public_key()


def _base64(number: int, size: int) -> str:
    return base64.b64encode(number.to_bytes(size, "big")).decode()
