"""Each runner's acts and looks go to the backend that its row names."""

from __future__ import annotations

from pathlib import Path

from ..domain.models import ProcessId, Runner
from ..domain.observation import Observation
from ..services import Services


def observe(services: Services, runner: Runner) -> Observation:
    backend, handle = services.backends.reach(runner)
    return backend.observe(handle)


def working(services: Services, runner: Runner) -> bool:
    backend, handle = services.backends.reach(runner)
    return backend.working(handle)


def supervised(services: Services, runner: Runner) -> bool:
    backend, handle = services.backends.reach(runner)
    return backend.supervised(handle)


def processes(services: Services, runner: Runner) -> tuple[ProcessId, ...]:
    backend, handle = services.backends.reach(runner)
    return backend.processes(handle)


def adopt(services: Services, runner: Runner) -> bool:
    backend, handle = services.backends.reach(runner)
    return backend.adopt(handle)


def drain(services: Services, runner: Runner) -> None:
    backend, handle = services.backends.reach(runner)
    backend.drain(handle)


def interrupt(services: Services, runner: Runner) -> None:
    backend, handle = services.backends.reach(runner)
    backend.interrupt(handle)


def kill(services: Services, runner: Runner) -> None:
    backend, handle = services.backends.reach(runner)
    backend.kill(handle)


def logs(services: Services, runner: Runner) -> Path:
    backend, handle = services.backends.reach(runner)
    return backend.logs(handle)
