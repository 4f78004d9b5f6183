"""Directories that no program can be started from are named before GitHub is asked for anything."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runnerctl.sandbox import Sandbox
from tests.support.front_ends.refusing import Told
from tests.support.hosts.host import Host, Server

WAYS = (["create", "r1", "--repo", "acme/widgets"], ["config", "validate"], ["serve"])
SETTINGS = {"defaults.base_dir": "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR", "package_dir": "RUNNERCTL_PACKAGE_DIR"}


@pytest.fixture
def noexec(as_root: None, tmp_path: Path) -> Iterator[Path]:
    point = tmp_path / "noexec"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec,mode=755", "none", str(point)], check=True)
    yield point
    subprocess.run(["umount", "--lazy", str(point)], check=True)


def remount(point: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(point)], check=True)


@pytest.mark.parametrize("key", SETTINGS)
@pytest.mark.parametrize("below", ["", "not/there/yet"])
def test_it_is_named_everywhere_and_github_is_not_asked(
    noexec: Path, host: Host, sandbox: Sandbox, key: str, below: str
) -> None:
    host.write_env_file(**{SETTINGS[key]: str(noexec / below)})
    said = {Told.by_command(host.cli("--output", "json", *argv)) for argv in WAYS}
    (one,) = said
    assert one.code == "config_invalid"
    assert one.message == f"No program can be started in {key} '{noexec / below}': '{noexec}' is mounted noexec"
    assert f"mount -o remount,exec {noexec}" in one.hint
    items = json.loads(host.cli("--output", "json", "doctor", "--offline").stdout)["items"]
    assert one.message in [each["message"] for each in items if each["level"] == "error"]
    assert (sandbox.calls, sandbox.runners()) == ([], [])


def test_a_server_refuses_it_from_the_moment_it_is_so(
    noexec: Path, host: Host, sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    remount(noexec, "exec")
    host.write_env_file(**{SETTINGS["defaults.base_dir"]: str(noexec / "runners")})
    server = serve()
    remount(noexec, "noexec")
    assert server.create("r1").json()["code"] == "config_invalid"
    assert (sandbox.calls, sandbox.runners()) == ([], [])
    remount(noexec, "exec")
    assert server.create("r1").status_code == 201
    assert server.remove("r1", "?force=true").status_code == 200
