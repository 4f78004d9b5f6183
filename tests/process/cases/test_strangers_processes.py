"""A process of another user's is no runner's Worker, Listener or daemon, whatever its name and wherever it stands.

The attacker has an account on the host and nothing else: a name, a variable, a working directory are its to choose.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from runnerctl import core
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.host import cgroups
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, create, remove, stop, until
from tests.support.hosts.isolated import Isolated, isolated, open_archive, open_top

__all__ = ["isolated", "open_archive", "open_top"]

pytestmark = pytest.mark.persistent
STRANGER = 65533


@contextmanager
def stranger(name: str, *, life: str, directory: Path, user: int = STRANGER) -> Iterator[int]:
    """A process of that user's of that name with that runner's mark; its pid."""
    own = Path(f"/var/tmp/of-a-stranger-{os.getpid()}")
    own.mkdir(mode=0o755)
    shutil.copy("/bin/sleep", own / name)
    another: dict[str, Any] = {} if user == os.geteuid() else {"user": user, "group": user, "extra_groups": ()}
    process = subprocess.Popen([own / name, "600"], env={"RUNNERCTL_LIFE": life}, cwd=directory, **another)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(own)


def current(services: Services, name: str) -> core.Runner:
    runner = services.store.latest(name)
    assert runner is not None
    return runner


def test_a_strangers_worker_keeps_no_runner_busy(isolated: Isolated) -> None:
    services = isolated.services
    runner = isolated.runner("ours", ephemeral=False)
    with stranger("Runner.Worker", life=runner.id, directory=Path("/")) as pid:
        assert not routed.working(services, runner)
        stop(services, "ours")
        assert current(services, "ours").state is RunnerState.STOPPED
        remove(services, "ours")
        assert not Path(f"/proc/{pid}/status").read_text().count("State:\tZ"), "what is a stranger's is left alone"


@pytest.mark.parametrize("marked", [True, False], ids=["by its mark", "by where it stands"])
def test_so_it_is_where_jobs_have_no_user_of_their_own(
    as_root: None, open_top: Path, sandbox: Sandbox, marked: bool
) -> None:
    host = Host.make(open_top, package_dir=open_top / "packages", github=sandbox.environment(), token="x" * 32)
    host.write_env_file()
    with closing(host.services()) as services:
        runner = create(services, host.spec("ours", ephemeral=False), wait=core.Wait.ONLINE)
        life = runner.id if marked else "none"
        with stranger("Runner.Worker", life=life, directory=host.base_dir / "ours") as pid:
            assert not routed.working(services, runner)
            stop(services, "ours")
            assert current(services, "ours").state is RunnerState.STOPPED
            remove(services, "ours", force=True)
            assert not Path(f"/proc/{pid}/status").read_text().count("State:\tZ")
        host.kill_everything()


def test_a_neighbours_job_keeps_no_runner_busy_where_each_has_a_cgroup(services: Services, host: Host) -> None:
    """Both run as one user, who can give its processes any name and any mark, and cannot move them there."""
    runner = create(services, host.spec("ours", ephemeral=False), wait=core.Wait.ONLINE)
    place = cgroups.place_for(runner.id)
    if place is None or not Path(place).exists():
        pytest.skip("needs cgroups of version 2")
    with stranger("Runner.Worker", life=runner.id, directory=host.base_dir / "ours", user=os.geteuid()):
        assert not routed.working(services, runner)
        stop(services, "ours")
        assert current(services, "ours").state is RunnerState.STOPPED


def test_a_strangers_listener_is_adopted_by_nobody(as_root: None, open_top: Path, sandbox: Sandbox) -> None:
    """Where a supervisor and its Listener were killed: who stands in that root under that name is not the Listener."""
    host = Host.make(open_top, package_dir=open_top / "packages", github=sandbox.environment(), token="x" * 32)
    host.write_env_file()
    with closing(host.services()) as services:
        runner = create(services, host.spec("ours", ephemeral=False), wait=core.Wait.ONLINE)
        with stranger("Runner.Listener", life=runner.id, directory=host.base_dir / "ours") as pid:
            for process in routed.processes(services, runner):
                os.kill(process.pid, signal.SIGKILL)
            until(lambda: not routed.observe(services, runner).running)
            core.reconcile_runner(services, runner.id)
            again = until(lambda: routed.observe(services, runner).online_at and routed.processes(services, runner))
            assert pid not in {process.pid for process in again}
            remove(services, "ours", force=True)
            assert not Path(f"/proc/{pid}/status").read_text().count("State:\tZ")
        host.kill_everything()


def test_the_id_of_a_life_is_in_no_command_line(isolated: Isolated) -> None:
    """`ps` shows it to everybody, and it is what its processes are marked with."""
    runner = isolated.runner("ours", ephemeral=False)
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes())
        except OSError:
            continue
    assert not [line for line in lines if runner.id.encode() in line]
