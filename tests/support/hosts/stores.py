"""A store of a test's own, and what is put into it."""

from __future__ import annotations

import random
from pathlib import Path

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.models import RunnerSpec, Scope
from runnerctl.core.store import Store


def opened(path: Path, host: str = "here") -> Store:
    return Store(path, clock=SystemClock(), rng=random.Random(), host=host)


def spec(name: str, *, repo: str = "o/r", labels: str = "linux") -> RunnerSpec:
    return RunnerSpec.of(name=name, scope=Scope.of(repo=repo), labels=labels)
