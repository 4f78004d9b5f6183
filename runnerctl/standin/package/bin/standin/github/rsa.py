"""Client assertions with the numbers of ``.credentials_rsaparams``: PS256 for FIPS, else RS256.

PS256 is RSASSA-PSS with SHA-256 and a salt of the digest's length (RFC 7518, section 3.5; RFC 8017, section 9.1.1).
"""

from __future__ import annotations

import json
import os
import time
from binascii import a2b_base64, b2a_base64
from hashlib import sha256

from .. import guid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# DER of "what follows is a SHA-256 digest" (RFC 8017, section 9.2, note 1).
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
_DIGEST = 32
_LIFETIME = 300


def client_assertion(parameters: dict[str, str], *, client_id: str, audience: str, fips: bool) -> str:
    """The signed statement with which a runner asks for its access token (RFC 7523); it has no ``iat``."""
    now = int(time.time())
    claims = {"sub": client_id, "jti": guid.new(), "iss": client_id, "aud": audience, "nbf": now,
              "exp": now + _LIFETIME}  # fmt: skip
    signed = _segment({"typ": "JWT", "alg": "PS256" if fips else "RS256"}) + b"." + _segment(claims)
    signature = _sign(parameters, signed, _encode_pss if fips else _encode_pkcs)
    return (signed + b"." + _base64url(signature)).decode()


def public_xml(parameters: dict[str, str]) -> str:
    """The public half, in the form in which registration wants it."""
    modulus, exponent = parameters["modulus"], parameters["exponent"]
    return f"<RSAKeyValue><Modulus>{modulus}</Modulus><Exponent>{exponent}</Exponent></RSAKeyValue>"


def _sign(parameters: dict[str, str], message: bytes, encode: Any) -> bytes:
    """Two half-length powers instead of one are three times as fast."""
    p, q = _number(parameters["p"]), _number(parameters["q"])
    bits = _number(parameters["modulus"]).bit_length()
    padded = int.from_bytes(encode(message, bits), "big")
    in_p = pow(padded % p, _number(parameters["dp"]), p)
    in_q = pow(padded % q, _number(parameters["dq"]), q)
    inverse = _number(parameters.get("inverseq") or parameters["inverseQ"])
    return (in_q + q * ((in_p - in_q) * inverse % p)).to_bytes((bits + 7) // 8, "big")


def _encode_pkcs(message: bytes, bits: int) -> bytes:
    digest = _SHA256_PREFIX + sha256(message).digest()
    return b"\x00\x01" + b"\xff" * ((bits + 7) // 8 - len(digest) - 3) + b"\x00" + digest


def _encode_pss(message: bytes, bits: int) -> bytes:
    size = (bits - 1 + 7) // 8
    salt = os.urandom(_DIGEST)
    digest = sha256(b"\x00" * 8 + sha256(message).digest() + salt).digest()
    block = b"\x00" * (size - 2 * _DIGEST - 2) + b"\x01" + salt
    masked = bytearray(a ^ b for a, b in zip(block, _mask(digest, len(block)), strict=True))
    masked[0] &= 0xFF >> (8 * size - (bits - 1))
    return bytes(masked) + digest + b"\xbc"


def _mask(seed: bytes, length: int) -> bytes:
    """MGF1 (RFC 8017, appendix B.2.1)."""
    blocks = (sha256(seed + counter.to_bytes(4, "big")).digest() for counter in range(-(-length // _DIGEST)))
    return b"".join(blocks)[:length]


def _number(text: str) -> int:
    return int.from_bytes(a2b_base64(text), "big")


def _segment(content: dict[str, Any]) -> bytes:
    return _base64url(json.dumps(content, separators=(",", ":")).encode())


def _base64url(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).translate(bytes.maketrans(b"+/", b"-_")).rstrip(b"=")
