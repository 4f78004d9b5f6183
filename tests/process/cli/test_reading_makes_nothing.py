"""Commands that only look leave a fresh host as it was: no state directory of root's, which a service would refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.hosts.host import Host, Server

pytestmark = pytest.mark.long

READING: dict[str, int] = {
    "list": 0,
    "list --all --state idle": 0,
    "status": 0,
    "status nobody": 5,
    "logs nobody": 5,
    "jobs": 0,
    "history nobody": 5,
    "audit": 0,
    "token list --all": 0,
    "package list": 0,
    "package verify": 0,
    "package prune --dry-run": 0,
    "reconcile --dry-run": 0,
    "doctor --offline": 0,
    "config show": 0,
    "config validate": 0,
    "help list": 0,
    "completion bash": 0,
}
"""Each reading command, and how it ends where there is nothing."""


def everything(top: Path) -> dict[str, tuple[int, int, int]]:
    """Path → mode, owner and size."""
    seen = {path: path.lstat() for path in top.rglob("*")}
    return {str(path): (each.st_mode, each.st_uid, each.st_size) for path, each in seen.items()}


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("there", ["nothing", "an empty state directory"])
def test_nothing_is_made_where_there_is_nothing(host: Host, there: str, command: str) -> None:
    if there != "nothing":
        host.state_dir.mkdir(mode=0o700)
    before = everything(host.top)
    ran = host.cli(*command.split())
    assert ran.returncode == READING[command], ran.stderr
    assert everything(host.top) == before


@pytest.mark.parametrize("command", READING)
def test_nothing_is_made_beside_what_a_server_made(host: Host, server: Server, command: str) -> None:
    assert server.request("GET", "/api/v1/runners").status_code == 200
    before = {path for path in everything(host.top) if "serve-" not in path}
    assert host.cli(*command.split()).returncode == READING[command]
    assert {path for path in everything(host.top) if "serve-" not in path} == before
