"""Jobs have room for the sockets of programs in their HOME and TMPDIR, however long their runner's name is."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server, create, remove, start, stop, until
from tests.support.hosts.isolated import USERS, Isolated, isolated, open_archive, open_top, python_for_all

__all__ = ["isolated", "open_archive", "open_top"]

NAME = "n" * 55
BIND = """
import os, socket
home, tmp = os.environ["HOME"], os.environ["TMPDIR"]
for path in (
    home + "/.gnupg/S.gpg-agent.browser", tmp + "/ssh-XXXXXXXXXXXX/agent.4194304",
    tmp + "/.org.chromium.Chromium.XXXXXX/SingletonSocket", tmp + "/dotnet-diagnostic-4194304-123456789-socket",
):
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    socket.socket(socket.AF_UNIX).bind(path)
    print("bound", len(path))
"""


@pytest.fixture
def alike(package_dir: Path, sandbox: Sandbox) -> Iterator[Isolated]:
    """Jobs run as ourselves; the runners' directory has a name about as long as the default one."""
    top = Path(tempfile.mkdtemp(prefix="rc-", dir="/var/tmp"))
    top.chmod(0o755)
    host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
    services = host.services()
    yield Isolated(host=host, services=services, sandbox=sandbox)
    for runner in services.store.live():
        remove(services, runner.name, force=True)
    left = left_in(host)
    services.close()
    host.kill_everything()
    shutil.rmtree(top)
    assert left == []


def binds(given: Isolated) -> list[str]:
    script = f"{python_for_all()} - <<'END'\n{BIND}END\n"
    said = given.run(NAME, script)
    return [line for line in said.splitlines() if line.startswith("bound ")]


def left_in(host: Host) -> list[str]:
    return [each for each in host.roots() if each != ".hooks"]


def test_a_job_of_a_long_name_binds_them_as_the_manager(alike: Isolated) -> None:
    alike.runner(NAME)
    assert len(binds(alike)) == 4


def test_so_does_one_with_a_user_of_its_own(isolated: Isolated) -> None:
    isolated.runner(NAME)
    assert len(binds(isolated)) == 4
    until(lambda: left_in(isolated.host) == [])


@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="needs root, or ssh-agent")
def test_a_real_ssh_agent_starts(alike: Isolated) -> None:
    alike.runner(NAME)
    script = "eval $(ssh-agent)\n[ -S $SSH_AUTH_SOCK ] && echo an agent: yes\nssh-agent -k"
    assert "an agent: yes" in alike.run(NAME, script).splitlines()


def test_the_short_name_is_its_own_directory_and_goes_with_it(isolated: Isolated) -> None:
    runner = isolated.runner(NAME)
    short, root = isolated.host.base_dir / f".{runner.id}", isolated.host.base_dir / NAME
    assert short.resolve() == root.resolve()
    home = isolated.run(NAME, 'cd "$HOME" && touch mine && echo "home=$HOME real=$(pwd -P)" && [ -O . ]')
    assert f"home={short}/home real={root}/home" in home
    until(lambda: left_in(isolated.host) == [])


def test_another_runner_reaches_nothing_by_it(isolated: Isolated) -> None:
    runner = isolated.runner(NAME)
    isolated.runner("other")
    short = isolated.host.base_dir / f".{runner.id}"
    said = isolated.run(
        "other", f"set +e; ls {short}/ {short}/home; touch {short}/x; rm {short}; ln -sfn /etc {short}; true"
    )
    assert "Permission denied" in said
    assert short.is_symlink()


@pytest.mark.persistent
def test_a_link_that_is_gone_or_leads_elsewhere_is_right_at_the_next_start(isolated: Isolated) -> None:
    runner = isolated.runner(NAME, ephemeral=False)
    short = isolated.host.base_dir / f".{runner.id}"
    for spoil in (short.unlink, lambda: (short.unlink(), short.symlink_to("/etc"))):
        stop(isolated.services, NAME)
        spoil()
        start(isolated.services, NAME)
        assert short.resolve() == (isolated.host.base_dir / NAME).resolve()


def test_a_short_name_is_used_as_it_is(isolated: Isolated) -> None:
    """Caches of jobs know what is in HOME relative to the work directory: the same on every runner."""
    isolated.runner("short")
    assert f"HOME={isolated.host.base_dir}/short/home" in isolated.run("short", "env")
    assert [each.name for each in isolated.host.base_dir.iterdir() if each.is_symlink()] == []


# --- A /tmp that jobs share ---


@pytest.fixture
def below_tmp(isolated: Isolated) -> Iterator[Isolated]:
    """The runners' directory is below one that each runner would see its own in the place of."""
    base_dir = Path(tempfile.mkdtemp(prefix="runners-", dir="/tmp"))
    base_dir.chmod(0o755)
    more = {"GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(base_dir), "RUNNERCTL_RUN_AS": f"{USERS[0]}-{USERS[-1]}"}
    isolated.host.write_env_file(**more)
    services = isolated.host.services(**more)
    yield replace(isolated, services=services)
    for runner in services.store.live():
        remove(services, runner.name, force=True)
    services.close()
    shutil.rmtree(base_dir)


SHARED = "Jobs share /tmp and /var/tmp, because '{}' is below them"


def test_a_base_dir_below_tmp_is_said_wherever_degraded_is(below_tmp: Isolated) -> None:
    said = SHARED.format(below_tmp.services.settings.base_dir)
    assert below_tmp.services.backend.degraded == said
    create(below_tmp.services, below_tmp.host.spec("one"), wait=core.Wait.ONLINE)
    assert core.runner_status(below_tmp.services, "one").degraded == said
    assert said in below_tmp.host.cli("doctor", "--offline").stdout
    assert said in below_tmp.host.cli("config", "validate").stderr


def test_so_it_is_in_the_servers_log(below_tmp: Isolated) -> None:
    server = Server.start(below_tmp.host, {})
    said = SHARED.format(below_tmp.services.settings.base_dir)
    assert said in server.log.read_text()
    assert said in server.request("GET", "/readyz").json()["degraded"]
    server.stop()


def test_a_link_that_leads_below_tmp_is_no_way_around(isolated: Isolated) -> None:
    link = isolated.host.top / "elsewhere"
    target = Path(tempfile.mkdtemp(prefix="runners-", dir="/var/tmp"))
    link.symlink_to(target)
    services = isolated.host.services(GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR=str(link), RUNNERCTL_RUN_AS=str(USERS[0]))
    assert services.backend.degraded == SHARED.format(link)
    services.close()
    target.rmdir()


def test_elsewhere_nothing_is_said(isolated: Isolated) -> None:
    assert isolated.services.backend.degraded is None
