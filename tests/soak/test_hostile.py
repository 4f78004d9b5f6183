"""A short run of what ``make soak`` does at length: others attack while a tenant works."""

from __future__ import annotations

from benchmarks.hostile.endured import endured

BUSY = 60.0
"""How much longer than alone an answer may take here, where all other tests run beside it."""


def test_a_tenant_works_on_while_others_attack() -> None:
    figures = endured(8, 4)
    assert figures.wrong(BUSY) == [], figures.table()


def test_without_limits_the_same_is_seen_to_fail() -> None:
    """By what no busy machine can make true: how fast strangers are refused, and what others cost at GitHub."""
    figures = endured(10, 4, limits=False)
    assert figures.wrong(BUSY) != [], figures.table()
