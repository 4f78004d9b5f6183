"""Which machine this is, by a word that is of no use to anything but runnerctl.

``machine-id(5)`` asks that its content be told to nobody: what is kept is a keyed hash of it, made as
``sd_id128_get_machine_app_specific(3)`` makes it. For the core and for what root does beside units; no supervisor asks.
"""

from __future__ import annotations

import os

MACHINE_ID = "/etc/machine-id"
HOST_FILE = "host.json"
"""In the state directory: whose it is. ``core/host/installation.py`` writes it."""
_APPLICATION = bytes.fromhex("5f1c0a7d9f5b4b0c8a86f0a3c1d2e947")
_LENGTH = 32


def machine_id(path: str = MACHINE_ID) -> str | None:
    """None for a machine that has none: a container, or one before its first boot (``uninitialized``)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        word = os.read(descriptor, 256).decode("ascii", "replace").strip()
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return hashed(word)


def hashed(word: str) -> str | None:
    """Of a machine id as it stands in that file; None for what is none."""
    try:
        raw = bytes.fromhex(word) if len(word) == _LENGTH else b""
    except ValueError:
        return None
    if not any(raw):
        return None
    import hmac

    own = bytearray(hmac.digest(raw, _APPLICATION, "sha256")[:16])
    # Version and variant as of a random UUID, as systemd sets them; its module would cost a command 3 ms.
    own[6], own[8] = own[6] & 0x0F | 0x40, own[8] & 0x3F | 0x80
    return "-".join(own[start:end].hex() for start, end in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 16)))
