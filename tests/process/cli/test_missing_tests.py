"""A run of tests that names a file which is gone runs nothing, and says which."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.places import REPOSITORY

IS_THERE = "tests/unit/test_names.py"
GONE = "gone/test_names.py"


@pytest.mark.parametrize(("workers", "gone"), [("0", f"tests/unit/{GONE}"), ("1", f"tests/{GONE}::test_it")])
def test_a_run_that_names_what_is_gone_fails_and_names_it(workers: str, gone: str) -> None:
    argv = (sys.executable, "-m", "pytest", "-n", workers, "--dist", "loadfile", "-p", "no:cacheprovider")
    done = subprocess.run(
        [*argv, IS_THERE, gone], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"No such file or directory: {gone}" in done.stderr
    assert "passed" not in done.stdout
