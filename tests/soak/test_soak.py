"""A short run of what ``make soak`` does at length."""

from __future__ import annotations

from benchmarks.soak import soak


def test_nothing_leaks_while_everything_breaks() -> None:
    left = soak(10, seed=7)
    assert left == dict.fromkeys(left, 0)
