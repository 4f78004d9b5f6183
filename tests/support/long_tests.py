"""Which tests are long: those of ``LONG_ROOMS``, and what is marked so: `make test-long`. `make test` has all others.

The two ask for ``-m long`` and ``-m "not long"``, so nothing is in neither. Asked for long ones alone, a run does not
even import the modules that have none, which it takes from their text: one that is marked in other words is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

LONG_ROOMS = ("tests/e2e/", "tests/soak/")
_MARK = "pytest.mark.long"


def mark(items: Iterable[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(LONG_ROOMS):
            item.add_marker("long")
        elif item.get_closest_marker("long") is not None and not _names_mark(item.path):
            raise pytest.UsageError(f"{item.nodeid} is long, but its module does not say {_MARK}")


def has_none(path: Path, top: Path) -> bool:
    """Of a file of tests."""
    room = path.relative_to(top).as_posix().startswith(LONG_ROOMS)
    return path.name.startswith("test_") and path.suffix == ".py" and not room and not _names_mark(path)


def _names_mark(path: Path) -> bool:
    return _MARK in path.read_text()
