"""How long the command line takes to start, and to complete a word, beside an interpreter that only imports Click."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.models import RunnerSpec, Scope
from runnerctl.core.store import Store

from .figure import Figure, median

_ROUNDS = 25
_RUNNERS = 100
_RUNNERCTL = str(Path(sys.executable).with_name("runnerctl"))


class _Start(NamedTuple):
    name: str
    argv: list[str]
    bound: float
    typed: str | None = None
    """The line that a shell wants completed."""


_CLICK = [sys.executable, "-c", "import click"]
_STARTS = (
    _Start("runnerctl --help", [_RUNNERCTL, "--help"], 1.3),
    _Start("runnerctl status X", [_RUNNERCTL, "status", "X"], 1.9),
    _Start("completing a command", [_RUNNERCTL], 1.3, "runnerctl st"),
    _Start("completing an option", [_RUNNERCTL], 1.3, "runnerctl create --"),
    _Start("completing a runner's name", [_RUNNERCTL], 1.7, "runnerctl remove listed-"),
)
"""Bounds are in imports of Click, each beside one of its own round."""


def measure(top: Path) -> Iterator[Figure]:
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(top),
        "RUNNERCTL_STATE_DIR": str(top / "state"),
        "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(top / "runners"),
    }
    _fill(top / "state")
    yardsticks: list[float] = []
    ratios: dict[str, list[float]] = {start.name: [] for start in _STARTS}
    for _ in range(_ROUNDS):
        yardsticks.append(_milliseconds(_CLICK, environment, top))
        for start in _STARTS:
            asked = environment if start.typed is None else {**environment, **_question(start.typed)}
            ratios[start.name].append(_milliseconds(start.argv, asked, top) / yardsticks[-1])
    yield Figure(name='python -c "import click"', value=median(yardsticks), unit="ms")
    for start in _STARTS:
        yield Figure(name=start.name, value=median(ratios[start.name]), unit="× click", bound=start.bound)


def _question(typed: str) -> dict[str, str]:
    return {"_RUNNERCTL_COMPLETE": "bash_complete", "COMP_WORDS": typed.replace(" ", "\x1f")}


def _milliseconds(argv: list[str], environment: dict[str, str], directory: Path) -> float:
    began = time.perf_counter()
    subprocess.run(argv, env=environment, cwd=directory, capture_output=True, check=False)
    return 1000 * (time.perf_counter() - began)


def _fill(state_dir: Path) -> None:
    state_dir.mkdir(mode=0o700)
    store = Store(state_dir / "runnerctl.db", clock=SystemClock(), rng=random.Random(1), host=os.uname().nodename)
    for number in range(_RUNNERS):
        spec = RunnerSpec.of(name=f"listed-{number}", scope=Scope.of(repo="octo-org/octo-repo"), labels="linux")
        store.admit(spec, root=Path("/nowhere"))
    store.close()
