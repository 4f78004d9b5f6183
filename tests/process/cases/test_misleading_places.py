"""Root acts on nothing that somebody else can lead it to: links that a user plants where the service's directories are
to be, or a job in its runner's root.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import runnerctl
from runnerctl.core.backends import held_files, identity
from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.host.syscalls import detach_mount
from runnerctl.core.host.trusted_paths import refuse_untrusted
from runnerctl.install.files import Directory
from runnerctl.install.steps import directory_steps, take
from tests.support.hosts.host import stop
from tests.support.hosts.isolated import USERS, Isolated, isolated, open_archive, open_top

__all__ = ["isolated", "open_archive", "open_top"]

pytestmark = pytest.mark.persistent
ALICE, NOBODY = 65531, 65534


@pytest.fixture
def top() -> Iterator[Path]:
    """Below directories of root's alone."""
    path = Path(tempfile.mkdtemp(prefix="runnerctl-test-", dir="/var/lib"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def victim(top: Path) -> Path:
    path = top / "etc"
    path.mkdir()
    return path


def wanted(path: Path) -> Directory:
    return Directory(path=path, mode=0o700, owner="nobody", group="nogroup")


def is_roots(path: Path) -> bool:
    found = path.stat()
    return (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o755)


def home_of_alice(top: Path) -> Path:
    home = top / "alice"
    home.mkdir()
    os.chown(home, ALICE, ALICE)
    return home


def test_a_link_that_is_planted_once_all_was_looked_at_gives_nothing_away(
    as_root: None, top: Path, victim: Path
) -> None:
    """`service install` decides first, and then does what it decided."""
    shared = top / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    steps = list(directory_steps([wanted(shared / "runners")]))
    subprocess.run(["ln", "-s", victim, shared / "runners"], user=ALICE, group=ALICE, extra_groups=(), check=True)
    with pytest.raises(ConfigInvalid, match="belongs to"):
        take(steps)
    assert is_roots(victim)


@pytest.mark.parametrize("below", ["runners", "deep/er/runners"])
def test_a_directory_below_a_users_own_is_refused_before_anything_is_made(
    as_root: None, top: Path, victim: Path, below: str
) -> None:
    home = home_of_alice(top)
    with pytest.raises(ConfigInvalid, match=f"{home}' belongs to {ALICE}"):
        list(directory_steps([wanted(home / below)]))
    assert not list(home.iterdir())
    assert is_roots(victim)


@pytest.mark.parametrize(
    ("planted", "why"),
    [("link", "belongs to"), ("writable", "is writable by others"), ("link of root", None), ("sticky", None)],
)
def test_who_could_lead_root_elsewhere_is_named(
    as_root: None, top: Path, victim: Path, planted: str, why: str | None
) -> None:
    place = top / "place"
    if "link" in planted:
        place.symlink_to(victim)
        os.chown(place, 0 if "root" in planted else ALICE, 0, follow_symlinks=False)
    else:
        place.mkdir()
        place.chmod(0o1777 if planted == "sticky" else 0o777)
    if why is None:
        assert refuse_untrusted(place / "runners", owners=()) == place.resolve() / "runners"
    else:
        with pytest.raises(ConfigInvalid, match=why):
            refuse_untrusted(place / "runners", owners=(NOBODY,))


OPENS = """
import os, sys
sys.path[:0] = [sys.argv[1], os.path.dirname(os.path.dirname(sys.argv[1]))]
from places import Places, Refused
places = Places(["abcd1234", "--base-dir", sys.argv[2], "--state-dir", "/nowhere", "--manager", "nobody"])
try:
    print(os.readlink(f"/proc/self/fd/{places.open_root('one')}"))
except (Refused, OSError) as exc:
    print(type(exc).__name__, exc)
"""


def opened(base_dir: Path) -> str:
    """What the programs that root runs for a unit open as a runner's directory."""
    privileged = Path(runnerctl.__file__).parent / "privileged"
    argv = [sys.executable, "-c", OPENS, str(privileged), str(base_dir)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def test_a_unit_starts_in_no_directory_that_others_lead_it_to(as_root: None, top: Path, victim: Path) -> None:
    """Where the service was installed before that was refused."""
    for path in (victim, victim / "one"):
        path.mkdir(exist_ok=True)
        os.chown(path, NOBODY, NOBODY)
    assert opened(victim) == str(victim / "one")
    home = home_of_alice(top)
    (home / "runners").symlink_to(victim)
    assert opened(
        home / "runners"
    ) == f"Refused '{home}' belongs to {ALICE}, who could lead root elsewhere than to " + (f"'{home / 'runners'}'")
    (victim / "two").symlink_to(victim / "one")
    (victim / "one").rename(victim / "three")
    (victim / "one").symlink_to(victim / "three")
    assert opened(victim).startswith("NotADirectoryError")


def test_a_mount_is_taken_off_no_place_that_a_link_leads_to(as_root: None, top: Path, victim: Path) -> None:
    """What was below a directory when the kernel listed it may be a link by now."""
    (victim / "kept").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", victim / "kept"], check=True)
    try:
        (top / "link").symlink_to(victim)
        with pytest.raises(NotADirectoryError):
            detach_mount(str(top / "link" / "kept"))
        assert os.path.ismount(victim / "kept")
        detach_mount(str(victim / "kept"))
        assert not os.path.ismount(victim / "kept")
    finally:
        subprocess.run(["umount", victim / "kept"], check=False, capture_output=True)


def test_whether_a_runner_had_a_job_is_not_read_where_a_jobs_link_leads(isolated: Isolated) -> None:
    """In the place of `_diag`: names in a directory of others' would be told by the runner's record."""
    secret = isolated.host.top / "secret"
    secret.mkdir(mode=0o700)
    (secret / "Worker_of-another.log").touch()
    isolated.runner("steady", ephemeral=False)
    stop(isolated.services, "steady")
    diagnostics = isolated.host.base_dir / "steady" / "_diag"
    diagnostics.rename(diagnostics.with_name("was-_diag"))
    diagnostics.symlink_to(secret)
    os.chown(diagnostics, USERS[0], USERS[0], follow_symlinks=False)
    assert not identity.has_worked(diagnostics.parent)
    with (secret / "Worker_of-another.log").open("a"):
        assert not held_files.has_worker(diagnostics.parent)
