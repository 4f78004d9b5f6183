"""What all threads share is built once, whoever asks first."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from runnerctl.core.built_once import built_once
from runnerctl.core.services import Services
from tests.support.hosts.host import Host

THREADS = 4


class House:
    def __init__(self) -> None:
        self._building = threading.RLock()
        self.built = 0
        self.begun = threading.Semaphore(0)

    @built_once
    def roof(self) -> list[str]:
        """What keeps the rain out."""
        self.built += 1
        # Time for all others to come, were they let in.
        self.begun.release()
        self.begun.acquire(timeout=0.2)
        self.begun.acquire(timeout=0.2)
        return [self.walls]

    @built_once
    def walls(self) -> str:
        return "walls"

    @built_once
    def none(self) -> None:
        self.built += 1


def test_many_threads_get_one_and_the_same() -> None:
    house = House()
    with ThreadPoolExecutor(THREADS) as pool:
        roofs = list(pool.map(lambda _: house.roof, range(THREADS)))
    assert house.built == 1
    assert all(roof is roofs[0] for roof in roofs)


def test_none_is_a_value_too() -> None:
    house = House()
    assert house.none is None
    assert house.none is None
    assert house.built == 1


def test_what_could_not_be_built_is_tried_again() -> None:
    class Unlucky:
        _building = threading.RLock()
        tries = 0

        @built_once
        def luck(self) -> int:
            self.tries += 1
            if self.tries == 1:
                raise OSError
            return self.tries

    unlucky = Unlucky()
    with pytest.raises(OSError):
        unlucky.luck  # noqa: B018
    assert unlucky.luck == 2


def test_four_threads_open_one_store(host: Host) -> None:
    services: Services = host.services()
    together = threading.Barrier(THREADS)

    def ask(_: int) -> object:
        together.wait(20)
        return services.store

    with ThreadPoolExecutor(THREADS) as pool:
        stores = list(pool.map(ask, range(THREADS)))
    assert all(store is stores[0] for store in stores)
    services.close()
