"""Commands as processes: what they import, and a reader that goes away."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COSTLY = {"requests", "aiohttp", "rich", "jwt", "yaml", "dotenv", "cryptography"}


def imported_by(*args: str) -> set[str]:
    """The modules that a command line imports, in a process of its own."""
    code = "import sys; from runnerctl.cli.main import run; run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=30, check=True)
    return set(done.stderr.splitlines()[-1].split())


# --- Help ---


def test_help_imports_no_command_and_nothing_of_the_core() -> None:
    ours = {name for name in imported_by("--help") if name.startswith("runnerctl")}
    assert ours == {"runnerctl", "runnerctl.cli", "runnerctl.cli.main", "runnerctl.cli.options"}


@pytest.mark.parametrize("args", [("status", "ci-1"), ("status",), ("list",), ("logs", "ci-1"), ("create", "--help")])
def test_looking_imports_nothing_costly(args: tuple[str, ...]) -> None:
    assert not imported_by(*args) & COSTLY


def test_a_reader_that_went_away_is_not_an_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "runnerctl", "--help"], stdout=gone, stderr=subprocess.PIPE, timeout=30, check=False
        )
    assert (done.returncode, done.stderr) == (141, b"")
