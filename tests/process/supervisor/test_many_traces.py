"""A job can make as many entries in its ``_diag`` as it likes: who looks there keeps none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import runnerctl

_ENTRIES, _MOST_KB = 40_000, 1024
_LOOK = """
import re, sys
sys.path.insert(0, sys.argv[1])
import traces
def most():
    return int(re.search(r"VmHWM:\\s+([0-9]+)", open("/proc/self/status").read())[1])
before = most()
found = traces.has_worked(sys.argv[2])
print(found, most() - before)
"""


@pytest.mark.parametrize(("name", "worked"), [("Worker_", True), ("other_", False)])
def test_looking_for_traces_of_a_job_takes_no_memory(tmp_path: Path, name: str, worked: bool) -> None:
    diagnostics = tmp_path / "_diag"
    diagnostics.mkdir()
    (diagnostics / "first").touch()
    for number in range(_ENTRIES):
        (diagnostics / f"{name}{number:0100}").hardlink_to(diagnostics / "first")
    argv = [sys.executable, "-ISBc", _LOOK, str(Path(runnerctl.__file__).parent / "supervisor"), str(tmp_path)]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    assert said[0] == str(worked)
    assert int(said[1]) < _MOST_KB
