"""Unit tests start no process and never sleep: a guard stands over each of them, its fixtures included."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import MEMORY
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


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory: no test here is about what a disk keeps, and a thousand databases would wait for one."""
    with tempfile.TemporaryDirectory(prefix="unit-", dir=MEMORY) as made:
        yield Path(made)
