"""A unit test that starts a process or sleeps fails, and is told where its room is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

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


def outcome(top: Path, test: str, *options: str) -> tuple[int, str]:
    """Of a module with that text, run as one of ours."""
    (top / "conftest.py").write_text(OURS)
    (top / "test_it.py").write_text(HEAD + test)
    without = [word for plugin in ("anyio", "cacheprovider", "xdist") for word in ("-p", f"no:{plugin}")]
    argv = [sys.executable, "-m", "pytest", "-q", *without, "-W", "ignore", "--rootdir", str(top), *options]
    done = subprocess.run(
        [*argv, str(top)], env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout


BAD: dict[str, tuple[str, str]] = {
    "run": ("def test_it():\n    subprocess.run(['true'])\n", NO_PROCESS),
    "fork": ("def test_it():\n    os.fork()\n", NO_PROCESS),
    "posix_spawn": ("def test_it():\n    os.posix_spawn('/bin/true', ['true'], {})\n", NO_PROCESS),
    "system": ("def test_it():\n    os.system('true')\n", NO_PROCESS),
    "sleep": ("def test_it():\n    time.sleep(0.001)\n", NO_SLEEP),
    "fixture": ("@pytest.fixture\ndef it():\n    os.system('true')\n\n\ndef test_it(it):\n    pass\n", NO_PROCESS),
    "fixture_of_a_module": (
        "@pytest.fixture(scope='module')\ndef it():\n    os.system('true')\n\n\ndef test_it(it):\n    pass\n",
        NO_PROCESS,
    ),
    "end_of_a_fixture": (
        "@pytest.fixture\ndef it():\n    yield\n    time.sleep(1)\n\n\ndef test_it(it):\n    pass\n",
        NO_SLEEP,
    ),
    "thread_of_its_own": (IN_A_THREAD, NO_SLEEP),
    "whose_failure_it_swallows": (
        "def test_it():\n    try:\n        os.system('true')\n    except BaseException:\n        pass\n",
        NO_PROCESS,
    ),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What each bad one was told, if it failed: modules of one run, for a run of each would take longer."""
    top = tmp_path_factory.mktemp("bad")
    for name, (test, _) in BAD.items():
        (top / f"test_{name}.py").write_text(HEAD + test)
    report = top / "report.xml"
    assert outcome(top, "def test_it():\n    pass\n", f"--junitxml={report}")[0] == 1
    cases = ElementTree.parse(report).iter("testcase")
    return {
        str(case.get("classname")).removeprefix("test_"): "".join(each.get("message", "") for each in case)
        for case in cases
    }


@pytest.mark.parametrize("name", BAD)
def test_it_fails_with_a_sentence(told: Mapping[str, str], name: str) -> None:
    assert BAD[name][1] in told[name]


def test_one_among_them_that_does_neither_passes(told: Mapping[str, str]) -> None:
    assert told["it"] == ""


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
