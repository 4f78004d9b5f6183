"""What to do, in a front end's own words: core names an option or a call, and each front end says how it is typed.

Core writes ``Use {drain}`` or ``See {logs NAME}``; the command line says ``--drain`` and HTTP ``?drain=true``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACE = re.compile(r"\{([a-z_]+)(?: ([^{} ]+))?\}")


def counted(number: int, noun: str) -> str:
    """``1 runner``, ``2 runners``, ``2 directories``."""
    if number == 1:
        return f"{number} {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


def spoken(text: str, words: Mapping[str, str]) -> str:
    """``text`` with each place that ``words`` knows filled; ``%s`` in a word is the name behind it. All else stays."""

    def fill(place: re.Match[str]) -> str:
        word = words.get(place[1])
        return place[0] if word is None else word.replace("%s", place[2] or "NAME")

    return _PLACE.sub(fill, text)
