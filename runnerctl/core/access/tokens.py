"""API tokens as text: ``rctl_``, 256 random bits, a checksum. Only their digest is ever kept.

The checksum tells a mistyped token from a wrong one without a look at the store, and lets scanners be sure.
"""

from __future__ import annotations

import hashlib
import random
import string
import zlib

PREFIX = "rctl_"
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_BYTES = 32
_BODY = 43
"""Digits of base 62 that 256 bits take."""
_CHECKSUM = 6


def make(rng: random.Random) -> str:
    """A new token; ``rng`` must be the operating system's."""
    body = PREFIX + _base62(int.from_bytes(rng.randbytes(_RANDOM_BYTES)), _BODY)
    return body + _checksum(body)


def is_whole(text: str) -> bool:
    """Has the form of a token, and was copied without a mistake."""
    body, checksum = text[:-_CHECKSUM], text[-_CHECKSUM:]
    return text.startswith(PREFIX) and len(body) == len(PREFIX) + _BODY and checksum == _checksum(body)


def digest(token: str) -> str:
    """What is kept of a token. No salt: nobody guesses 256 random bits."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode(errors="surrogateescape")), _CHECKSUM)


def _base62(number: int, width: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits.rjust(width, _DIGITS[0])
