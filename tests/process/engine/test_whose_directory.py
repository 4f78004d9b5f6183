"""A runner's directory is its own by mark and inode, whatever the settings say now and whatever its device is."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.backends import marks
from runnerctl.core.backends.marks import Whose
from runnerctl.core.backends.place import place_of
from runnerctl.core.backends.registry import handle_of
from runnerctl.core.domain.errors import BackendFailed
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.services import Services
from tests.support.hosts.host import Host, create, remove


def current(services: Services, name: str) -> Runner:
    runner = services.store.latest(name)
    assert runner is not None
    return runner


def on_another_device(services: Services, name: str) -> None:
    """As after a reboot that numbered the devices anew."""
    runner = current(services, name)
    place = place_of(handle_of(runner))
    assert place.inode is not None
    moved = place._replace(inode=(place.inode[0] + 1, place.inode[1]))
    services.store.amend(runner, handle=moved.handle)


# --- Another number of the device ---


def test_a_directory_whose_device_has_another_number_is_still_the_runners(services: Services, host: Host) -> None:
    create(services, host.spec("one"), wait=core.Wait.ONLINE)
    on_another_device(services, "one")
    assert remove(services, "one").runner.state is RunnerState.REMOVED
    assert host.roots() == []


def test_an_older_directory_without_a_mark_is_known_by_its_link_to_the_log(services: Services, host: Host) -> None:
    create(services, host.spec("one"), wait=core.Wait.ONLINE)
    (host.base_dir / "one" / marks.FILE).unlink()
    on_another_device(services, "one")
    assert remove(services, "one").runner.state is RunnerState.REMOVED
    assert host.roots() == []


# --- What may be ours and may not ---


def test_a_copy_that_a_restore_made_is_named_and_kept_and_not_called_removed(services: Services, host: Host) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    routed.kill(services, runner)
    made = host.base_dir / "one"
    subprocess.run(["cp", "-a", made, host.base_dir / "copy"], check=True)
    made.rename(host.top / "lost")
    (host.base_dir / "copy").rename(made)
    for _ in range(2):
        with pytest.raises(BackendFailed, match=f"'{made}' is kept") as refused:
            remove(services, "one", force=True)
        assert str(made) in (refused.value.hint or "")
        assert current(services, "one").state is RunnerState.REMOVING
        assert (made / ".credentials").exists()
    shutil.rmtree(made)
    assert remove(services, "one", force=True).runner.state is RunnerState.REMOVED


def test_what_has_nothing_to_do_with_it_in_its_place_stays_and_is_in_nobodys_way(
    services: Services, host: Host
) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    routed.kill(services, runner)
    made = host.base_dir / "one"
    made.rename(host.top / "moved")
    made.mkdir()
    (made / "precious").touch()
    assert remove(services, "one", force=True).runner.state is RunnerState.REMOVED
    assert (made / "precious").exists()


# --- The rule ---

HERE, AGAIN, OTHER = (7, 100), (8, 100), (7, 200)
RULE = [
    # marked, inode when it was made, what is found
    (True, HERE, HERE, Whose.OURS),
    (True, HERE, AGAIN, Whose.OURS),
    (True, None, HERE, Whose.OURS),
    (True, HERE, OTHER, Whose.DOUBTFUL),
    (None, HERE, HERE, Whose.OURS),
    (None, HERE, AGAIN, Whose.DOUBTFUL),
    (None, HERE, OTHER, Whose.NOT_OURS),
    (None, None, HERE, Whose.NOT_OURS),
    (False, HERE, HERE, Whose.DOUBTFUL),
    (False, HERE, AGAIN, Whose.NOT_OURS),
    (False, HERE, OTHER, Whose.NOT_OURS),
    (False, None, HERE, Whose.NOT_OURS),
]


@pytest.mark.parametrize(("marked", "made", "found", "whose"), RULE)
def test_mark_and_inode_say_the_same_or_nothing_is_deleted(
    marked: bool | None, made: tuple[int, int] | None, found: tuple[int, int], whose: Whose
) -> None:
    assert marks._judged(marked, made, found) is whose


@pytest.mark.parametrize("forged", ["", "{", "[" * 5000, '{"id": "one"}', "x" * 100_000])
def test_a_mark_that_nobody_of_us_wrote_is_none(tmp_path: Path, forged: str) -> None:
    (tmp_path / marks.FILE).write_text(forged)
    assert marks.read(tmp_path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: other owners")
def test_a_mark_that_a_job_put_there_is_none(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        marks.put(descriptor, runner_id="one", backend="process")
    finally:
        os.close(descriptor)
    assert marks.read(tmp_path) == marks.Mark("one", "process")
    os.chown(tmp_path / marks.FILE, 65534, 65534)
    assert marks.read(tmp_path) is None


def test_a_link_in_the_place_of_a_directory_has_no_mark(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / marks.FILE).write_text('{"id": "one", "backend": "process"}')
    (tmp_path / "link").symlink_to("real")
    assert marks.read(tmp_path / "real") == marks.Mark("one", "process")
    assert marks.read(tmp_path / "link") is None


def test_the_mark_cannot_be_followed_into_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / marks.FILE)
    assert marks.read(tmp_path) is None
