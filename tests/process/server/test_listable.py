"""A directory above the runners that jobs may not list is named before GitHub is asked for anything.

The real Listener lists each of them when it starts, and ends with status 1 where it may not.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.services import Services
from runnerctl.core.settings import listable
from runnerctl.sandbox import Sandbox
from tests.conftest import NEEDS_ROOT
from tests.process.server.test_refused_hosts import Told
from tests.support.front_ends.refusal_cases import Ask
from tests.support.hosts.host import Host, Server
from tests.support.hosts.isolated import RUN_AS, USERS, open_archive, open_top
from tests.support.hosts.refused import NOBODY, Moved, as_nobody, public
from tests.support.sandboxes.strictness import strict_sandbox

__all__ = ["open_archive", "open_top", "public"]

CREATE = Ask(name="a").argv()
EVERY_WAY = (CREATE, ["config", "validate"], ["serve"])


@pytest.fixture
def shut(as_root: None, open_top: Path) -> Path:
    """A directory that everybody may pass, and only root may list."""
    made = open_top / "shut"
    made.mkdir()
    made.chmod(0o711)
    return made


@pytest.fixture
def sandbox(open_archive: Path) -> Iterator[Sandbox]:
    """Its runner can be run by every user."""
    with strict_sandbox(archive=open_archive) as running:
        yield running


@pytest.fixture
def below(shut: Path, sandbox: Sandbox) -> Iterator[Host]:
    """A host whose runners would be below it, with users of their own."""
    host = Moved.at(shut.parent, sandbox, {"base_dir": shut / "runners"})
    host.write_env_file(RUNNERCTL_RUN_AS=RUN_AS)
    yield host
    host.kill_everything()


def told(host: Host, argv: list[str]) -> Told:
    return Told.by_command(host.cli("--output", "json", *argv))


def doctor(host: Host) -> dict[str, str]:
    """What it finds wrong about directories."""
    items = json.loads(host.cli("--output", "json", "doctor", "--offline").stdout)["items"]
    return {each["level"]: each["message"] for each in items if each["check"] == "directories"}


@pytest.mark.parametrize("mode", [0o711, 0o700])
def test_one_that_users_of_jobs_cannot_list_is_named_everywhere_and_github_is_not_asked(
    below: Host, shut: Path, sandbox: Sandbox, mode: int
) -> None:
    shut.chmod(mode)
    said = [told(below, argv) for argv in EVERY_WAY]
    assert said[0] == said[1] == said[2]
    assert said[0].code == "config_invalid"
    assert f"cannot list '{shut}' (mode {mode:04o}, owner root)" in said[0].message
    assert f"chmod o+rx {shut}" in said[0].hint
    assert doctor(below) == {"error": said[0].message}
    assert (sandbox.calls, sandbox.runners()) == ([], [])
    assert not any(below.base_dir.glob("*"))


def test_a_server_refuses_it_from_the_moment_it_is_so(below: Host, shut: Path, sandbox: Sandbox) -> None:
    shut.chmod(0o755)
    server = Server.start(below, {})
    try:
        shut.chmod(0o711)
        answer = server.create("a").json()
        assert (answer["code"], answer["status"]) == ("config_invalid", 500)
        assert (sandbox.calls, sandbox.runners()) == ([], [])
        shut.chmod(0o755)
        assert server.create("a").status_code == 201
        assert server.remove("a", "?force=true").status_code == 200
    finally:
        server.stop()


def test_one_that_an_ordinary_user_cannot_list_is_named_to_that_user(public: Path, sandbox: Sandbox) -> None:
    shut = public / "shut"
    shut.mkdir()
    (shut / "runners").mkdir()
    shut.chmod(0o711)
    host = Moved.at(public, sandbox, {"base_dir": shut / "runners"})
    host.state_dir.mkdir(mode=0o700)
    for path in (host.base_dir, host.state_dir):
        os.chown(path, NOBODY, NOBODY)
    for argv in (CREATE, ["config", "validate"]):
        said = as_nobody(host, *argv)
        assert said.code == "config_invalid"
        assert f"Jobs run as nobody and cannot list '{shut}' (mode 0711, owner root)" in said.message
    assert sandbox.calls == []


def test_a_link_to_a_place_below_it_is_no_way_around(below: Host, shut: Path, open_top: Path, sandbox: Sandbox) -> None:
    """The Listener takes the directory where its program really is."""
    (shut / "real").mkdir(mode=0o755)
    (open_top / "link").symlink_to(shut / "real")
    below.write_env_file(RUNNERCTL_RUN_AS=RUN_AS, GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR=str(open_top / "link"))
    assert f"cannot list '{shut}'" in told(below, CREATE).message
    assert sandbox.calls == []


def test_who_may_list_it_by_a_group_or_an_access_list_is_not_refused(below: Host, shut: Path) -> None:
    shut.chmod(0o750)
    with pytest.raises(ConfigInvalid, match="cannot list"):
        check(below.services(RUNNERCTL_RUN_AS=RUN_AS))
    os.chown(shut, 0, NOBODY)
    check(below.services(RUNNERCTL_RUN_AS=RUN_AS, RUNNERCTL_RUN_AS_GROUPS=str(NOBODY)))
    os.chown(shut, 0, 0)
    allow_by_list(shut, USERS)
    check(below.services(RUNNERCTL_RUN_AS=RUN_AS))


def check(services: Services) -> None:
    listable.check(services.settings, units=services.backend.name == "systemd")


def allow_by_list(path: Path, users: tuple[int, ...]) -> None:
    """``setfacl -m u:USER:rx``: linux/posix_acl_xattr.h."""
    nobody = 0xFFFFFFFF
    owner, user, group, mask, other, r_x = 0x01, 0x02, 0x04, 0x10, 0x20, 5
    entries = [(owner, 7, nobody), *((user, r_x, uid) for uid in users), (group, r_x, nobody), (mask, r_x, nobody)]
    packed = b"".join(struct.pack("<HHI", *entry) for entry in [*entries, (other, 0, nobody)])
    try:
        os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + packed)
    except OSError as exc:
        if exc.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip(f"{NEEDS_ROOT} on a file system with access lists")


@pytest.fixture
def units(open_top: Path, sandbox: Sandbox) -> Host:
    return Host.make(open_top, package_dir=open_top / "p", github=sandbox.environment(), token=secrets.token_hex(16))


@pytest.mark.parametrize("place", ["/tmp/runners", "/home/runners", "/run/user/runners", "STATE/runners"])
def test_what_units_do_not_see_is_named(as_root: None, units: Host, place: str) -> None:
    base = place.replace("STATE", str(units.state_dir))
    services = units.services(RUNNERCTL_BACKEND="systemd", GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR=base)
    with pytest.raises(ConfigInvalid, match=f"cannot see '{Path(base).parent}'"):
        check(services)


def test_one_that_users_of_units_cannot_list_is_named(as_root: None, units: Host, shut: Path) -> None:
    services = units.services(RUNNERCTL_BACKEND="systemd", GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR=str(shut / "runners"))
    with pytest.raises(ConfigInvalid, match=f"the users of units and cannot list '{shut}'"):
        check(services)
    shut.chmod(0o755)
    check(services)


@pytest.mark.parametrize("workdir", ["/tmp/x", "_work/", "..", "bin"])
def test_a_default_work_directory_that_no_create_could_use_is_named_at_once(host: Host, workdir: str) -> None:
    host.write_env_file(RUNNER_WORKDIR=workdir)
    said = told(host, ["config", "validate"])
    assert said.code == "config_invalid"
    assert workdir in said.message
