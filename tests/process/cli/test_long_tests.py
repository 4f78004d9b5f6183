"""`make test` and `make test-long` have every test between them, and none twice."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import REPOSITORY

ROOMS = ("tests/e2e", "tests/soak", "tests/process/cli")
"""With long ones by their room and by their mark, and others."""
PYTEST = (sys.executable, "-m", "pytest")
COLLECTING = ("--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider")


def collected(target: str) -> set[str]:
    """What that target would run there, by the command that make would give."""
    arguments = f"PYTEST_ARGS={shlex.join((*COLLECTING, *ROOMS))}"
    argv = ("make", "-n", target, f"VENV={sys.prefix}", arguments)
    said = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True).stdout
    (command,) = [line for line in said.splitlines() if "-m pytest" in line]
    return names_of(*shlex.split(command))


def names_of(*argv: str) -> set[str]:
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=True)
    return {line for line in done.stdout.splitlines() if "::" in line}


def test_every_test_is_in_one_of_the_two_runs_and_in_one_alone() -> None:
    short, long = collected("test"), collected("test-long")
    assert short | long == names_of(*PYTEST, *COLLECTING, *ROOMS)
    assert short & long == set()
    assert {test.partition("/test_")[0] for test in long} == set(ROOMS)


CONFTEST = """
import pytest
from tests.support import long_tests

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    long_tests.mark(items)
"""
IN_OTHER_WORDS = """
from pytest import mark

@mark.long
def test_it():
    pass
"""


def test_a_long_one_that_a_run_of_long_ones_would_not_find_is_refused(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(IN_OTHER_WORDS)
    argv = (*PYTEST, *COLLECTING, "--rootdir", str(tmp_path), "-c", "/dev/null", "-m", "not long", str(tmp_path))
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout + done.stderr
    assert "test_it.py::test_it is long, but its module does not say pytest.mark.long" in done.stderr
