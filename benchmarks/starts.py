"""How long the command line takes to start, beside an interpreter that only imports Click."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from .figure import Figure, median

_ROUNDS = 25


def measure(top: Path) -> Iterator[Figure]:
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(top),
        "RUNNERCTL_STATE_DIR": str(top / "state"),
        "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(top / "runners"),
    }
    runnerctl = str(Path(sys.executable).with_name("runnerctl"))
    commands = {
        "click": [sys.executable, "-c", "import click"],
        "help": [runnerctl, "--help"],
        "status": [runnerctl, "status", "X"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(_ROUNDS):
        for name, argv in commands.items():
            began = time.perf_counter()
            subprocess.run(argv, env=environment, cwd=top, capture_output=True, check=False)
            times[name].append(1000 * (time.perf_counter() - began))
    yardstick = median(times["click"])
    yield Figure(name='python -c "import click"', value=yardstick, unit="ms")
    yield Figure(name="runnerctl --help", value=median(times["help"]) / yardstick, unit="× click", bound=2)
    yield Figure(name="runnerctl status X", value=median(times["status"]) / yardstick, unit="× click", bound=2)
