"""Pages of a list of runners: each row once, whatever comes and goes between two of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runnerctl.core.domain.models import Runner, RunnerQuery
from runnerctl.core.domain.paging import Sort, SortKey
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.store import Store
from tests.support.hosts.clocks import JumpingClock
from tests.support.hosts.stores import spec

S = RunnerState


@pytest.fixture
def clock() -> JumpingClock:
    stopped = JumpingClock()
    stopped.stop()
    return stopped


@pytest.fixture
def store(tmp_path: Path, clock: JumpingClock) -> Iterator[Store]:
    made = Store(tmp_path / "runnerctl.db", clock=clock, rng=random.Random(), host="here")
    yield made
    made.close()


def admit(store: Store, name: str) -> Runner:
    return store.admit(spec(name), root=Path("/x") / name)


def pages(store: Store, query: RunnerQuery, between: Callable[[], None] = lambda: None) -> list[str]:
    """The names on all pages; ``between`` two of them something happens."""
    seen: list[str] = []
    while True:
        page = store.page(query)
        seen += [runner.name for runner in page.items]
        if page.next is None:
            return seen
        query = query._replace(after=page.next)
        between()


BY_NAME = ["a", "B", "c", "D", "e", "F"]
CREATED = ["e", "B", "D", "a", "F", "c"]
ORDERS = {
    Sort(): CREATED,
    Sort(SortKey.CREATED, descending=True): CREATED[::-1],
    Sort(SortKey.AGE): CREATED[::-1],
    Sort(SortKey.AGE, descending=True): CREATED,
    Sort(SortKey.NAME): BY_NAME,
    Sort(SortKey.NAME, descending=True): BY_NAME[::-1],
    Sort(SortKey.STATE): ["D", "F", "c", "e", "B", "a"],
    Sort(SortKey.STATE, descending=True): ["a", "B", "e", "c", "F", "D"],
    Sort(SortKey.CHANGED): ["F", "c", "e", "D", "B", "a"],
    Sort(SortKey.CHANGED, descending=True): ["a", "B", "D", "e", "c", "F"],
}


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 5, 6])
@pytest.mark.parametrize("sort", ORDERS)
def test_pages_follow_each_other_without_gap_or_repeat(
    store: Store, clock: JumpingClock, sort: Sort, limit: int, every: bool
) -> None:
    made = {}
    for name in CREATED:
        made[name] = admit(store, name)
        clock.ahead += 1
    for name, states in {"e": (S.REGISTERED,), "D": (), "B": (S.REGISTERED,), "a": (S.REGISTERED, S.STARTING)}.items():
        clock.ahead += 1
        store.transition(made[name], *states) if states else store.amend(made[name], changed_at=clock.now())
    assert pages(store, RunnerQuery(sort=sort, limit=limit, every=every)) == ORDERS[sort]


@pytest.mark.parametrize("sort", [sort for sort in ORDERS if sort.by not in {SortKey.STATE, SortKey.CHANGED}])
def test_what_comes_and_goes_between_pages_moves_no_other_runner(store: Store, sort: Sort) -> None:
    made = {name: admit(store, name) for name in CREATED}
    new = iter(("A0", "b0", "d0", "x", "y"))

    def happens() -> None:
        """What a page may have ended with goes, and others come before and behind it."""
        admit(store, next(new))
        for name in ("B", "F"):
            if store.get(made[name].id).live:  # type: ignore[union-attr]
                store.transition(made[name], S.REMOVING, S.REMOVED)

    seen = pages(store, RunnerQuery(sort=sort, limit=2), happens)
    assert [name for name in seen if name in {"a", "c", "D", "e"}] == [n for n in ORDERS[sort] if n not in {"B", "F"}]
    assert len(seen) == len(set(seen))


def test_only_what_has_changed_since_then_is_listed(store: Store, clock: JumpingClock) -> None:
    old, other = admit(store, "old"), admit(store, "other")
    clock.ahead += 10
    then = clock.now()
    store.transition(other, S.REGISTERED)
    admit(store, "new")
    assert pages(store, RunnerQuery(since=then)) == ["other", "new"]
    assert pages(store, RunnerQuery(since=old.changed_at)) == ["old", "other", "new"]
