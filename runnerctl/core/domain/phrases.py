"""What to do, in a front end's own words: core names an option or a call, and each front end says how it is typed.

Core writes ``Use {drain}`` or ``See {logs NAME}``; the command line says ``--drain`` and HTTP ``?drain=true``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..redact import redact

_PLACE = re.compile(r"\{([a-z_]+)(?: ([^{} ]+))?\}")


_MOST_QUOTED, _MOST_MASKED = 100, 2048


def quoted(value: object) -> str:
    """As Python quotes it, and no longer than anybody reads: strangers choose what is quoted.

    Masked before it is cut, and cut before it is masked, for both take time.
    """
    if not isinstance(value, str):
        return repr(value)[:_MOST_QUOTED]
    shown = redact(value[:_MOST_MASKED])
    return repr(shown) if len(shown) <= _MOST_QUOTED else f"{shown[:_MOST_QUOTED]!r}…"


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
