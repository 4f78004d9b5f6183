"""Programs that run apart from the rest of runnerctl are made of what Python promises to keep."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import runnerctl

TOP = Path(runnerctl.__file__).parent
PROGRAMS = sorted(path for room in ("supervisor", "privileged") for path in (TOP / room).glob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_it_imports_public_modules_of_the_standard_library_and_its_own(path: Path) -> None:
    own = {each.stem for each in path.parent.glob("*.py")} | {"runnerctl"}
    foreign = {name.partition(".")[0] for name in imported(path)} - own - {"__future__"}
    assert not [name for name in foreign if name.startswith("_") or name not in sys.stdlib_module_names]
