"""What a host may refuse the real runner it refuses the stand-in, too."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.core.packages.unpack import unpack
from runnerctl.standin.archive import build_archive
from tests.support.hosts.isolated import python_for_all
from tests.support.sandboxes.standin import PACE, VERSION, StandIn

pytest_plugins = ("tests.support.sandboxes.standin_fixtures",)
pytestmark = [pytest.mark.timeout(30), pytest.mark.long]

NOBODY = 65534
_PR_SET_MDWE, _REFUSE_EXEC_GAIN = 65, 1


@pytest.fixture
def everybodys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A runner's directory two levels below one that all may read, for the user that must not be root."""
    top = Path(tempfile.mkdtemp(prefix="runnerctl-test-", dir="/var/tmp"))
    root = top / "above" / "runner"
    root.mkdir(parents=True)
    archive = build_archive(top / "runner.tar.gz", version=VERSION, interpreter=python_for_all(), pace=PACE)
    unpack(archive, root)
    for directory in (top, top / "above"):
        directory.chmod(0o755)
    shutil.chown(root, NOBODY) if os.geteuid() == 0 else None
    yield root
    (top / "above").chmod(0o755)
    shutil.rmtree(top)


def listen(root: Path, *, work: str = "_work") -> subprocess.CompletedProcess[str]:
    settings = f'{{"AgentId": "1", "AgentName": "n", "WorkFolder": "{work}", "ServerUrlV2": "http://127.0.0.1:1/"}}'
    (root / ".runner").write_text(settings)
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.run(
        [str(root / "bin/Runner.Listener"), "run"], cwd="/", env={"PATH": os.environ["PATH"]}, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20, **user,
    )  # fmt: skip


@pytest.mark.parametrize("closed", [".", "above"])
@pytest.mark.parametrize("mode", [0o711, 0o311], ids=["passable", "own-but-unreadable"])
def test_a_directory_above_that_cannot_be_read_is_named_and_the_end(everybodys: Path, closed: str, mode: int) -> None:
    top = everybodys.parent.parent
    shut = (top / closed).resolve()
    if os.geteuid() != 0 and mode == 0o711:
        pytest.skip("its owner may read it")
    shut.chmod(mode)
    try:
        done = listen(everybodys)
    finally:
        shut.chmod(0o755)
    assert done.returncode == 1
    assert done.stderr == (
        f"An error occurred: Permission to read the directory contents is required for '{everybodys}' and each "
        f"directory up the hierarchy. Access to the path '{shut}' is denied.\n"
    )


def test_a_work_directory_below_one_that_cannot_be_read_is_told_as_the_real_one_does(everybodys: Path) -> None:
    elsewhere = everybodys.parent.parent / "elsewhere"
    (elsewhere / "work").mkdir(parents=True)
    elsewhere.chmod(0o311)
    done = listen(everybodys, work=str(elsewhere / "work"))
    assert done.returncode == 1
    assert done.stderr == f"Fail to create and validate runner's work directory '{elsewhere}/work'.\n"


def _refuse_executable_memory() -> None:
    if ctypes.CDLL(None).prctl(_PR_SET_MDWE, _REFUSE_EXEC_GAIN, 0, 0, 0):
        os._exit(77)


def _may_be_refused() -> bool:
    pid = os.fork()
    if pid == 0:
        _refuse_executable_memory()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize(
    "program", ["bin/Runner.Listener run", "bin/Runner.Worker spawnclient 3 4", "config.sh --url U"]
)
def test_without_memory_that_is_writable_and_executable_it_dies_as_a_jit_compiler_does(
    runner: StandIn, program: str
) -> None:
    """As under systemd's ``MemoryDenyWriteExecute``; config.sh's shell tells it by 128 and the signal's number."""
    if not _may_be_refused():
        pytest.skip("needs a kernel that can refuse it: Linux 6.3")
    path, *words = program.split()
    done = subprocess.run(
        [str(runner.root / path), *words], capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "RUNNER_ALLOW_RUNASROOT": "1", "TMPDIR": str(runner.root)},
        preexec_fn=_refuse_executable_memory,
    )  # fmt: skip
    assert done.returncode in (-signal.SIGSEGV, 128 + signal.SIGSEGV)
