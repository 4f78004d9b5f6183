"""A request that waits hears of its runner from the engine, and does not keep the engine at work by hearing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runnerctl.core import Reconciler
from runnerctl.core.engine.operations.operation import Operation
from runnerctl.server import offload as offloading
from runnerctl.server.offload import Offload
from tests.support.toy_host import ToyServices

HEARD = 20


class Waiting(Operation[str]):
    """Has what it wants when it has looked often enough, and it is so."""

    def __init__(self, services: ToyServices, runner_id: str, is_so: Callable[[], bool]) -> None:
        super().__init__(services)  # type: ignore[arg-type]
        self.runner_id = runner_id
        self.looks = 0
        self._is_so = is_so

    def begin(self) -> None:
        return None

    def outcome(self) -> str | None:
        self.looks += 1
        return "done" if self.looks > HEARD and self._is_so() else None


@pytest.fixture
def services(tmp_path: Path) -> Iterator[ToyServices]:
    made = ToyServices(tmp_path)
    yield made
    made.store.close()


def looks_of_the_engine(services: ToyServices, *, least: int, seconds: float, monkeypatch: pytest.MonkeyPatch) -> int:
    """While a request looks ``HEARD`` times, and until there are so many; ``seconds`` between two hand-overs."""
    monkeypatch.setattr(offloading, "_OBSERVE_SECONDS", seconds)
    runner, looks = services.running("r"), []

    async def wait() -> None:
        loop, offload = asyncio.get_running_loop(), Offload()

        def told(runner_id: str) -> None:
            looks.append(runner_id)
            # As a server's watcher does, and as whatever else happens to the runner comes.
            loop.call_soon_threadsafe(offload.waits.notify, runner_id)

        offload.engine = Reconciler(services, absences=lambda _: 0, after=told)  # type: ignore[arg-type]
        offload.engine.start()
        operation = Waiting(services, runner.id, lambda: len(looks) >= least)
        ending = offload.begin(operation)
        while not ending.done():
            await asyncio.sleep(0.001)
            if looks:
                offload.waits.notify(runner.id)
        offload.engine.stop()
        await offload.finish(seconds=1.0)

    asyncio.run(wait())
    return len(looks)


def test_whatever_a_request_hears_it_hands_its_runner_over_once(
    services: ToyServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each look of the engine's, of which it is told, would bring the next, for as long as the request waits."""
    assert looks_of_the_engine(services, least=1, seconds=1000.0, monkeypatch=monkeypatch) == 1


def test_now_and_then_it_is_handed_over_again(services: ToyServices, monkeypatch: pytest.MonkeyPatch) -> None:
    assert looks_of_the_engine(services, least=3, seconds=0.0, monkeypatch=monkeypatch) >= 3
