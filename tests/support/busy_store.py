"""One of many processes that read and write one database as fast as they can; prints its slowest of each, in seconds.

Arguments: ``write`` or ``read``, the database, seconds. It begins with a line on standard input.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.models import RunnerQuery, RunnerSpec, Scope, Sighting
from runnerctl.core.domain.states import Desired, RunnerState
from runnerctl.core.store import Store

S = RunnerState


class Stopwatch:
    """The longest that each kind of act took, and how many there were."""

    def __init__(self) -> None:
        self.longest: dict[str, float] = {}
        self.acts = 0

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.longest[what] = max(self.longest.get(what, 0.0), time.monotonic() - began)
        self.acts += 1


def opened(path: Path) -> Store:
    return Store(path, clock=SystemClock(), rng=random.SystemRandom(), host="here")


def write(path: Path, watch: Stopwatch) -> None:
    """A life from its beginning to its end, as commands, an engine and listings write it."""
    with watch("open"):
        store = opened(path)
    name = f"r{store.new_id()}"
    with watch("write"):
        runner = store.admit(
            RunnerSpec.of(name=name, scope=Scope.of(repo="o/r"), labels="linux"), root=Path("/x") / name
        )
    for state in (S.REGISTERED, S.STARTING, S.IDLE, S.BUSY):
        with watch("write"):
            runner = store.transition(runner, state)
        with watch("write"):
            store.note(runner.id, attempts=1)
    with watch("write"):
        store.note_sightings(
            [Sighting(runner_id=each.id, status="online", busy=True, at=time.time()) for each in store.live()]
        )
    with watch("write"):
        store.want(runner.id, desired=Desired.GONE, by="command")
    with watch("write"):
        runner = store.transition(runner, S.REMOVING, S.REMOVED)
    assert (runner.wants, runner.attempts, runner.github_busy) == (1, 0, True), runner
    assert [event.new for event in store.history(runner.id)][-1] is S.REMOVED
    store.close()


def read(path: Path, watch: Stopwatch) -> None:
    """As commands and a server's listings do."""
    with watch("open"):
        store = opened(path)
    for _ in range(20):
        with watch("read"):
            store.latest("nobody")
        with watch("read"):
            store.page(RunnerQuery(every=True, limit=200))
        with watch("read"):
            store.events_after(max(0, store.last_event() - 50))
    store.close()


def main(what: str, path: Path, seconds: float) -> None:
    act, watch = {"write": write, "read": read}[what], Stopwatch()
    sys.stdin.readline()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        act(path, watch)
    print(json.dumps({"acts": watch.acts, **watch.longest}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
