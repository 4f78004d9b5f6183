"""A unit test that starts a process or sleeps fails, and is told where its room is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import REPOSITORY

OURS = (REPOSITORY / "tests" / "unit" / "conftest.py").read_text()
HEAD = "import os, subprocess, threading, time\n\nimport pytest\n\n\n"
IN_A_THREAD = """
def test_it():
    one = threading.Thread(target=lambda: time.sleep(1))
    one.start()
    one.join()
"""
NO_PROCESS, NO_SLEEP = "A unit test starts no process", "A unit test does not sleep"


def outcome(top: Path, test: str) -> tuple[int, str]:
    """Of a module with that text, run as one of ours."""
    (top / "conftest.py").write_text(OURS)
    (top / "test_it.py").write_text(HEAD + test)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "--rootdir", str(top)]
    done = subprocess.run(
        [*argv, str(top)], env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        ("def test_it():\n    subprocess.run(['true'])\n", NO_PROCESS),
        ("def test_it():\n    os.fork()\n", NO_PROCESS),
        ("def test_it():\n    os.posix_spawn('/bin/true', ['true'], {})\n", NO_PROCESS),
        ("def test_it():\n    os.system('true')\n", NO_PROCESS),
        ("def test_it():\n    time.sleep(0.001)\n", NO_SLEEP),
        ("@pytest.fixture\ndef it():\n    os.system('true')\n\n\ndef test_it(it):\n    pass\n", NO_PROCESS),
        (
            "@pytest.fixture(scope='module')\ndef it():\n    os.system('true')\n\n\ndef test_it(it):\n    pass\n",
            NO_PROCESS,
        ),
        ("@pytest.fixture\ndef it():\n    yield\n    time.sleep(1)\n\n\ndef test_it(it):\n    pass\n", NO_SLEEP),
        (IN_A_THREAD, NO_SLEEP),
        (
            "def test_it():\n    try:\n        os.system('true')\n    except BaseException:\n        pass\n",
            NO_PROCESS,
        ),
    ],
    ids=[
        *("run", "fork", "posix_spawn", "system", "sleep", "fixture", "fixture of a module", "end of a fixture"),
        *("thread of its own", "whose failure it swallows"),
    ],
)
def test_it_fails_with_a_sentence(tmp_path: Path, test: str, sentence: str) -> None:
    status, said = outcome(tmp_path, test)
    assert status == 1, said
    assert sentence in said


def test_what_was_there_before_it_is_none_of_its_doing(tmp_path: Path) -> None:
    status, said = outcome(
        tmp_path,
        "asked, done = threading.Event(), threading.Event()\n\n\n"
        "def sleeper():\n    asked.wait()\n    time.sleep(0.001)\n    done.set()\n\n\n"
        "threading.Thread(target=sleeper, daemon=True).start()\n\n\n"
        "def test_it():\n    asked.set()\n    assert done.wait(20)\n    time.sleep(0)\n",
    )
    assert status == 0, said


@pytest.mark.parametrize(("scope", "expected"), [("session", 0), ("function", 1)])
def test_the_end_of_what_all_tests_share_is_none_of_the_lasts_doing(tmp_path: Path, scope: str, expected: int) -> None:
    shared = f"@pytest.fixture(scope='{scope}')\ndef it():\n    yield\n    time.sleep(0.001)\n\n\n"
    status, said = outcome(tmp_path, shared + "def test_it(it):\n    pass\n\n\ndef test_last(it):\n    pass\n")
    assert status == expected, said
