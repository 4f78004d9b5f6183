"""In which order runners are listed, and how a page goes on behind a row that may have gone by now."""

from __future__ import annotations

from typing import NamedTuple

from ..domain.models import Runner
from ..domain.paging import Place, Sort, SortKey

_KEYS = {SortKey.NAME: "lower(name)", SortKey.STATE: "state", SortKey.CHANGED: "changed_at"}


class RunnerOrder(NamedTuple):
    """As SQL, and as the place of a row in it."""

    by: SortKey
    sql: str
    behind: str
    """A condition: what comes behind the place whose ``values`` it takes."""

    def values(self, place: Place) -> tuple[object, ...]:
        return (place.number,) if self.by not in _KEYS else (place.key, place.number)

    def place(self, runner: Runner) -> Place:
        if self.by is SortKey.CHANGED:
            return Place(runner.seq, runner.changed_at)
        words = {SortKey.NAME: runner.name.lower(), SortKey.STATE: str(runner.state)}
        return Place(runner.seq, words.get(self.by))


def of(sort: Sort, *, every: bool) -> RunnerOrder:
    """``every``: of all that ever were. Of those that live, no index of all is taken: that is what ``+`` is for."""
    plain = "" if every else "+"
    columns = [f"{plain}{_KEYS[sort.by]}"] if sort.by in _KEYS else []
    columns.append(f"{plain}seq")
    down = sort.descending is not (sort.by is SortKey.AGE)
    return RunnerOrder(
        by=sort.by,
        sql=", ".join(f"{column} DESC" if down else column for column in columns),
        behind=f"({', '.join(columns)}) {'<' if down else '>'} ({', '.join('?' * len(columns))})",
    )
