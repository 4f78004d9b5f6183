"""Unit tests start no process and never sleep: a guard stands over each of them, its fixtures included."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.unit_guard import UnitGuard

_GUARD = UnitGuard()
_LAST = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    with _GUARD.watching():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    with _GUARD.watching():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    item.stash[_LAST] = nextitem is None
    with _GUARD.watching():
        return (yield)


@pytest.fixture(autouse=True)
def _own_end(request: pytest.FixtureRequest) -> Iterator[None]:
    """Set up before the test's own fixtures, and so ended behind them: what follows ends for all tests of a worker."""
    yield
    if request.node.stash[_LAST]:
        _GUARD.rest()
