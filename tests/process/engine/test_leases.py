"""Runners that belong to a server (``daemonize: false``): what is held for them goes with them, and they with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from runnerctl.core.host import processes
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server, until

REPO = "acme/widgets"


def pipes_of(server: Server) -> int:
    """How many ends of pipes the server has open."""
    held = 0
    for descriptor in Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            held += str(descriptor.readlink()).startswith("pipe:")
        except FileNotFoundError:
            continue
    return held


def leased(server: Server, name: str) -> str:
    made = server.create(name, daemonize=False, wait="online")
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def has_ended(server: Server, name: str) -> bool:
    return bool(server.status(name)["status"] == "not_installed")


def test_a_server_holds_nothing_of_runners_that_have_ended(server: Server, sandbox: Sandbox) -> None:
    leased(server, "first")
    assert server.remove("first").status_code == 200
    before = pipes_of(server)
    for number in range(3):
        leased(server, f"removed-{number}")
        assert server.remove(f"removed-{number}").status_code == 200
        leased(server, f"done-{number}")
        sandbox.submit_job(REPO, [f"done-{number}"], [{"run": "true"}])
        until(lambda name=f"done-{number}": has_ended(server, name))  # type: ignore[misc]
    assert pipes_of(server) == before


def test_a_run_directory_that_was_pruned_keeps_no_server_from_ending_the_others(
    serve: Callable[..., Server], host: Host, sandbox: Sandbox
) -> None:
    server = serve()
    done = leased(server, "done")
    sandbox.submit_job(REPO, ["done"], [{"run": "true"}])
    until(lambda: has_ended(server, "done"))
    shutil.rmtree(host.state_dir / "runners" / done)
    lost = leased(server, "lost")
    leased(server, "idle")
    listeners = [server.status(name)["pid"] for name in ("lost", "idle")]
    shutil.rmtree(host.state_dir / "runners" / lost)
    server.process.terminate()
    assert server.process.wait(timeout=90) == 0, server.log.read_text()
    until(lambda: not any(map(processes.identify, listeners)))
    assert [host.cli_json("status", name)["state"] for name in ("lost", "idle")] == ["removed", "removed"]
    assert (host.roots(), sandbox.runners()) == ([], [])
