"""Random GUIDs (version 4), as .NET writes them."""

from __future__ import annotations

import os

EMPTY = "00000000-0000-0000-0000-000000000000"


def new() -> str:
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
