"""RS256 with the numbers of ``.credentials_rsaparams``: no OpenSSL, so no three megabytes for it in every runner."""

from __future__ import annotations

import binascii
import os
import time

from . import jsontext

try:
    from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]  # Python 3.12 and later
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found,no-redef,unused-ignore]  # Python 3.11
    except ImportError:
        from hashlib import sha256  # an interpreter built without them

# DER of "what follows is a SHA-256 digest" (RFC 8017, section 9.2, note 1).
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


def number(text: str) -> int:
    return int.from_bytes(binascii.a2b_base64(text), "big")


def sign(parameters: dict[str, str], message: bytes) -> bytes:
    """The PKCS#1 v1.5 signature of ``message``; two half-length powers instead of one are three times as fast."""
    p, q = number(parameters["p"]), number(parameters["q"])
    size = (number(parameters["modulus"]).bit_length() + 7) // 8
    digest = _SHA256_PREFIX + sha256(message).digest()
    padded = int.from_bytes(b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest, "big")
    in_p = pow(padded % p, number(parameters["dp"]), p)
    in_q = pow(padded % q, number(parameters["dq"]), q)
    return (in_q + q * ((in_p - in_q) * number(parameters["inverseq"]) % p)).to_bytes(size, "big")


def guid() -> str:
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def client_assertion(parameters: dict[str, str], *, client_id: str, audience: str) -> str:
    """The signed statement with which a runner asks for its access token (RFC 7523)."""
    now = int(time.time())
    claims = {"sub": client_id, "iss": client_id, "aud": audience, "jti": guid(), "nbf": now - 30, "iat": now,
              "exp": now + 300}  # fmt: skip
    signed = _segment(jsontext.dumps({"alg": "RS256", "typ": "JWT"}).encode())
    signed += b"." + _segment(jsontext.dumps(claims).encode())
    return (signed + b"." + _segment(sign(parameters, signed))).decode()


def public_xml(parameters: dict[str, str]) -> str:
    """The public half, in the form in which registration wants it."""
    modulus, exponent = parameters["modulus"], parameters["exponent"]
    return f"<RSAKeyValue><Modulus>{modulus}</Modulus><Exponent>{exponent}</Exponent></RSAKeyValue>"


def _segment(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False).translate(bytes.maketrans(b"+/", b"-_")).rstrip(b"=")
