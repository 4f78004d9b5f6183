"""What must not be read in logs: values and patterns, each replaced by three asterisks."""

from __future__ import annotations

import re
from threading import Lock


class Masks:
    def __init__(self) -> None:
        self._values: set[str] = set()
        self._patterns: list[str] = []
        self._lock = Lock()
        self._compiled: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """The whole value, and each of its lines."""
        self._add({each for each in (value.strip(), *(line.strip() for line in value.splitlines())) if each})

    def add_pattern(self, pattern: str) -> None:
        """A pattern, which is a value of its own besides; one that is no pattern is a value only."""
        self.add(pattern)
        try:
            re.compile(pattern)
        except re.error:
            return
        with self._lock:
            self._patterns.append(pattern)
            self._compile()

    def mask(self, text: str) -> str:
        return self._compiled.sub("***", text) if self._compiled else text

    def _add(self, values: set[str]) -> None:
        with self._lock:
            if not values <= self._values:
                self._values |= values
                self._compile()

    def _compile(self) -> None:
        # The longest first: what begins with another secret must not keep its end.
        values = sorted(self._values, key=len, reverse=True)
        self._compiled = re.compile("|".join([*map(re.escape, values), *self._patterns]))
