"""Unit tests start no process and never sleep: a guard stands over each of them, its fixtures included."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.unit_guard import UnitGuard

_GUARD = UnitGuard()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    with _GUARD.watching():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    with _GUARD.watching():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Iterator[None]:
    if nextitem is None:  # what all tests of this worker shared ends with the last
        return (yield)
    with _GUARD.watching():
        return (yield)
