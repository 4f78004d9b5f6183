"""A server's supervisors are forked from one process that has all imported, and owe it nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support.hosts.host import Host, Server, until
from tests.support.hosts.process_table import pids, read


def fork_servers(server: Server) -> list[int]:
    return [pid for pid in pids() if read(f"/proc/{pid}/comm") == b"forkserver\n" and parent(pid) == server.process.pid]


def parent(pid: int) -> int:
    return int(read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[1])


def supervisor(host: Host, name: str) -> int:
    return parent(int((host.base_dir / name / "runner.pid").read_text()))


def inherited(pid: int) -> set[bytes]:
    """What is no file of its own run directory, and no pipe of its own."""
    links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return {os.fsencode(link) for link in links if link.startswith("socket:")}


def test_supervisors_of_a_server_come_from_one_and_are_nobodys_children(server: Server, host: Host) -> None:
    assert fork_servers(server) == [], "there is none before it is needed"
    for name in ("one", "two"):
        assert server.create(name).status_code == 201
    (forking,) = fork_servers(server)
    supervisors = {supervisor(host, name) for name in ("one", "two")}
    assert len(supervisors) == 2
    assert not {parent(pid) for pid in supervisors} & {forking, server.process.pid}
    assert {os.getsid(pid) for pid in supervisors} == supervisors
    assert [inherited(pid) for pid in supervisors] == [set(), set()]
    assert {read(f"/proc/{pid}/comm") for pid in supervisors} == {b"python\n"}


def test_one_that_was_killed_is_followed_by_another(server: Server, host: Host) -> None:
    assert server.create("one").status_code == 201
    (first,) = fork_servers(server)
    os.kill(first, signal.SIGKILL)
    assert server.create("two").status_code == 201
    assert fork_servers(server) not in ([], [first])
    assert [server.status(name)["status"] for name in ("one", "two")] == ["running", "running"]


def test_it_ends_with_its_server_however_that_ends_and_runners_live_on(server: Server, host: Host) -> None:
    assert server.create("one").status_code == 201
    (forking,) = fork_servers(server)
    server.process.kill()
    until(lambda: not Path(f"/proc/{forking}").exists())
    assert len(host.processes()) == 2


def test_other_settings_make_no_second_one(server: Server, host: Host) -> None:
    assert server.create("one").status_code == 201
    before = fork_servers(server)
    host.write_env_file(RUNNERCTL_STOP_INTERRUPT="7")
    server.signal(signal.SIGHUP)
    until(lambda: "settings were reloaded" in server.log.read_text())
    assert server.create("two").status_code == 201
    assert fork_servers(server) == before
