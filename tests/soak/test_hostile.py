"""A short run of what ``make soak`` does at length: others attack while a tenant works."""

from __future__ import annotations

from benchmarks.hostile import endure

BUSY = 60.0
"""How much longer than alone an answer may take here, where all other tests run beside it."""


def test_a_tenant_works_on_while_others_attack() -> None:
    assert endure(5, 4, slack=BUSY) == []
