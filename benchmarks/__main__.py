"""Measures everything, prints a table, writes ``benchmarks/results.json``; exit status 1 if a bound is not kept."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from . import creates, crowd, jobs, starts, statuses, streams, sweeps
from .figure import Figure

_MODULES = {
    "starts": starts,
    "creates": creates,
    "statuses": statuses,
    "crowd": crowd,
    "streams": streams,
    "sweeps": sweeps,
    "jobs": jobs,
}
_RESULTS = Path(__file__).with_name("results.json")


def main() -> int:
    chosen = sys.argv[1:] or list(_MODULES)
    figures: list[Figure] = []
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="runnerctl-bench-") as top:
            for figure in _MODULES[name].measure(Path(top)):
                figures.append(figure)
                print(_line(figure), flush=True)
    _RESULTS.write_text(json.dumps([{**asdict(figure), "kept": figure.kept} for figure in figures], indent=2) + "\n")
    return 0 if all(figure.kept is not False for figure in figures) else 1


def _line(figure: Figure) -> str:
    sign = "≥" if figure.at_least else "≤"
    bound = "" if figure.bound is None else f"{sign} {figure.bound:g}"
    word = {True: "kept", False: "NOT KEPT", None: ""}[figure.kept]
    return f"{figure.name:36} {figure.value:10.2f} {figure.unit:8} {bound:8} {word}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
