"""What the next Listener reads of its root is what its manager said, whatever a job wrote there."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runnerctl.supervisor import own_files
from tests.support.hosts.supervised import Supervised, until

pytestmark = pytest.mark.long

NAMES = own_files.NAMES


def _a_link(path: Path, elsewhere: Path) -> None:
    path.unlink()
    path.symlink_to(elsewhere / "file")


def _a_hard_link(path: Path, elsewhere: Path) -> None:
    path.unlink()
    path.hardlink_to(elsewhere / "file")


def _a_full_directory(path: Path, _: Path) -> None:
    path.unlink()
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "file").write_text("x")


def _a_fifo(path: Path, _: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _other_lines(path: Path, _: Path) -> None:
    path.chmod(0o600)
    path.write_text("ACTIONS_RUNNER_HOOK_JOB_STARTED=\n")


WRITTEN: dict[str, Callable[[Path, Path], None]] = {
    "other lines": _other_lines,
    "more lines than there were": lambda path, _: path.write_text(path.read_text() + "X=1\n"),
    "nothing": lambda path, _: path.unlink(),
    "a mode with which others write": lambda path, _: path.chmod(0o666),
    "a link to another file": _a_link,
    "another name of another file": _a_hard_link,
    "a directory that is not empty": _a_full_directory,
    "a FIFO that nobody writes to": _a_fifo,
}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    made = tmp_path / "elsewhere"
    made.mkdir()
    (made / "file").write_text("untouched")
    return made


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    life = f"t{os.getpid()}one"
    environment = {"PATH": "/usr/bin:/bin", "ACTIONS_RUNNER_HOOK_JOB_STARTED": "/opt/guard.sh", "RUNNERCTL_LIFE": life}
    made = Supervised(tmp_path / "one", env=environment).started()
    yield made
    made.close()


def read(root: Path) -> dict[str, bytes]:
    return {each: (root / each).read_bytes() for each in NAMES}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", WRITTEN)
def test_whatever_a_job_put_there_is_gone_when_its_supervisor_starts_another_listener(
    supervised: Supervised, elsewhere: Path, what: str, name: str
) -> None:
    supervised.phase("listening")
    before = read(supervised.root)
    assert b"ACTIONS_RUNNER_HOOK_JOB_STARTED=/opt/guard.sh\n" in before[".env"]
    assert (before[".path"], before[".setup_info"]) == (b"/usr/bin:/bin\n", b"[]\n")
    WRITTEN[what](supervised.root / name, elsewhere)
    supervised.order("os._exit(2)")
    until(lambda: supervised.record["restarts"] == 1, what="another Listener")
    assert read(supervised.root) == before
    found = (supervised.root / name).lstat()
    assert (stat.S_ISREG(found.st_mode), stat.S_IMODE(found.st_mode), found.st_nlink) == (True, 0o600, 1)
    assert (elsewhere / "file").read_text() == "untouched"


def test_a_line_break_that_came_by_the_managers_environment_makes_no_second_line(tmp_path: Path) -> None:
    own_files.write(str(tmp_path), {"TZ": "a\nLD_PRELOAD=x", "B": "1"}, group=None)
    assert (tmp_path / ".env").read_text() == "B=1\n"


def test_what_config_sh_reads_is_cleared_before_it_runs(tmp_path: Path, elsewhere: Path) -> None:
    (tmp_path / ".env").symlink_to(elsewhere / "file")
    (tmp_path / ".setup_info" / "deep").mkdir(parents=True)
    own_files.clear(str(tmp_path))
    assert not any(os.path.lexists(tmp_path / name) for name in NAMES)
    assert (elsewhere / "file").read_text() == "untouched"


def test_a_root_that_is_a_link_is_not_written_to(tmp_path: Path, elsewhere: Path) -> None:
    (tmp_path / "root").symlink_to(elsewhere)
    with pytest.raises(OSError, match="root"):
        own_files.write(str(tmp_path / "root"), {}, group=None)
    assert [each.name for each in elsewhere.iterdir()] == ["file"]
