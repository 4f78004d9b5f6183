"""Where a planted secret came out: a part of one is looked for in all that was seen."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.support.front_ends.planted import Secret

_RUN = re.compile(rb"[A-Za-z0-9+/=_-]{20,}")
"""What a fragment of a secret is part of: the rest of what was seen need not be looked through for each of them."""
_BLOCK = 10
"""Bytes; half of the shortest fragment: wherever that is, it covers a whole block of what was seen."""


class Seen:
    """Bytes by the place where they were."""

    def __init__(self, texts: Mapping[str, bytes]) -> None:
        self.texts = texts
        self._runs = {place: b" ".join(set(_RUN.findall(text))) for place, text in texts.items()}
        self._blocks = {
            runs[start : start + _BLOCK] for runs in self._runs.values() for start in range(0, len(runs), _BLOCK)
        }

    def places_of(self, secret: Secret) -> list[str]:
        """Where it is, or a part of it."""
        fragments = [fragment.encode() for fragment in secret.fragments]
        assert all(map(_RUN.fullmatch, fragments))
        there = [fragment for fragment in fragments if self._may_be_there(fragment)]
        return [place for place, runs in self._runs.items() if any(each in runs for each in there)]

    def _may_be_there(self, fragment: bytes) -> bool:
        """To look for the blocks within it is quick, and thousands of secrets are nowhere."""
        return any(fragment[at : at + _BLOCK] in self._blocks for at in range(len(fragment) - _BLOCK + 1))
