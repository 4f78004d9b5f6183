"""Whoever makes a runner may be killed at any moment around its identity: nothing is lost, nothing is left over.

In short every third moment of this host's is tried, and every one with ``ALL_MOMENTS``, as ``make soak`` has it.

GitHub has registered it by then, and nothing of that is written down: a blob that is lost is a registration too many.
"""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from runnerctl import core
from runnerctl.core.backends import units
from runnerctl.core.backends.registry import Backends
from runnerctl.core.domain.errors import BackendFailed
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.host import processes
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.process.supervisor.test_backend_contract import UNITS
from tests.support import crashing_accept
from tests.support.hosts.clocks import JumpingClock
from tests.support.hosts.host import Host, create, remove, stop, until
from tests.support.remote_backend import Cluster, RemoteBackend

pytestmark = pytest.mark.long

MOST_MOMENTS = 400
STRIDE = 1 if "ALL_MOMENTS" in os.environ else 3


@pytest.fixture
def host(tmp_path: Path, package_dir: Path, sandbox: Sandbox) -> Iterator[Host]:
    top = tmp_path if UNITS is None else Path(UNITS)
    packages = package_dir if UNITS is None else top / "packages"
    made = Host.make(top, package_dir=packages, github=sandbox.environment(), token=secrets.token_hex(16))
    yield made
    if UNITS is None:
        made.kill_everything()


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def services(host: Host, clock: JumpingClock) -> Iterator[Services]:
    opened = host.services()
    opened.clock = clock
    yield opened
    opened.close()


@pytest.fixture
def cluster(clock: JumpingClock, services: Services, host: Host) -> Cluster:
    """New runners are there."""
    made = Cluster(clock.now)
    remote = RemoteBackend(made, logs=host.top / "logs")
    runs_dir = host.state_dir / "runners"
    services.__dict__["backends"] = Backends({"remote": lambda: remote}, default="remote", runs_dir=runs_dir)
    return made


@pytest.fixture
def served(cluster: Cluster) -> Iterator[Any]:
    """(address, key) by which other processes reach the cluster."""
    key = secrets.token_bytes(16)

    class Serving(crashing_accept.ClusterManager):
        pass

    Serving.register("cluster", callable=lambda: cluster, exposed=crashing_accept.CALLS)
    server = Serving(address=("127.0.0.1", 0), authkey=key).get_server()
    thread = threading.Thread(target=_serve, args=(server,), daemon=True)
    thread.start()
    yield server.address, key
    server.stop_event.set()  # type: ignore[attr-defined]
    thread.join(5)


def _serve(server: Any) -> None:
    try:
        server.serve_forever()
    except SystemExit:
        return


def swept_after_each_kill(
    host: Host,
    services: Services,
    clock: JumpingClock,
    left_over: Callable[[Runner | None], None],
    *,
    ephemeral: bool,
    cluster: Any = None,
) -> int:
    """How many moments there were; ``left_over`` tells what must be true after each, when one sweep has come by."""
    for number in range(1, MOST_MOMENTS, STRIDE if cluster is None else 1):
        name = f"r{secrets.token_hex(3)}"
        environment = host.environment(PYTHONDONTWRITEBYTECODE="1", RUNNERCTL_STATE_DIR=str(host.state_dir))
        status = crashing_accept.run(name, number, environment, ephemeral=ephemeral, cluster=cluster)
        if status == 0:
            with suppress(BackendFailed):
                remove(services, name, force=True)
            return number - 1
        assert status == -signal.SIGKILL
        clock.ahead += 61
        errors = [finding.error for finding in sweep(services).findings if finding.error]
        assert errors == [] or cluster is not None, "who is elsewhere may take longer"
        left_over(services.store.latest(name))
    raise AssertionError(f"more than {MOST_MOMENTS} moments")


def nothing(services: Services, host: Host, sandbox: Sandbox) -> Callable[[Runner | None], None]:
    """A one-job runner that nobody knows of yet is not worth keeping: all of it goes."""

    def check(runner: Runner | None) -> None:
        assert runner is not None
        assert (runner.state, runner.reason) == (RunnerState.FAILED, "Its creation was interrupted")
        assert (host.roots(), sandbox.runners(), services.store.orphans()) == ([], [], [])
        assert list(services.backend.discover()) == []
        assert processes.marked(runner.id) == []

    return check


def test_a_kill_at_any_moment_around_a_jit_identity_leaves_nothing(
    host: Host, services: Services, sandbox: Sandbox, clock: JumpingClock
) -> None:
    check = nothing(services, host, sandbox)
    moments = swept_after_each_kill(host, services, clock, check, ephemeral=True)
    assert moments >= 8, "its files are written one by one"


@pytest.mark.persistent
def test_a_kill_at_any_moment_around_config_sh_loses_no_runner_that_has_registered(
    host: Host, services: Services, sandbox: Sandbox, clock: JumpingClock
) -> None:
    went_on = 0

    def check(runner: Runner | None) -> None:
        nonlocal went_on
        assert runner is not None
        if runner.state is RunnerState.FAILED:
            nothing(services, host, sandbox)(runner)
            return
        went_on += 1
        assert runner.state is RunnerState.STARTING
        assert [each.id for each in sandbox.runners()] == [runner.github_id]
        assert core.runner_status(services, runner.name).word == "running"
        remove(services, runner.name, force=True)

    assert swept_after_each_kill(host, services, clock, check, ephemeral=False) > 8
    assert went_on, "it had registered, and its identity was there"


def test_a_kill_at_any_call_around_an_identity_elsewhere_leaves_nothing(
    host: Host, services: Services, sandbox: Sandbox, cluster: Cluster, served: Any
) -> None:
    def ended() -> bool:
        sweep(services)
        return services.store.live() == []

    def check(runner: Runner | None) -> None:
        assert runner is not None
        until(ended)  # the cluster takes its time
        nothing(services, host, sandbox)(services.store.get(runner.id))
        assert cluster.pods == []

    clock = services.clock
    assert isinstance(clock, JumpingClock)
    moments = swept_after_each_kill(host, services, clock, check, ephemeral=True, cluster=served)
    assert moments >= 4, "before and after each call"


REGISTERS = """#!/bin/sh
sleep 0.1
echo '{"agentId": 7}' > .runner.new
mv .runner.new .runner
"""


def test_a_kill_at_any_moment_beside_config_sh_leaves_no_process_no_token_and_no_directory(
    host: Host, services: Services
) -> None:
    accepted: set[int | bool | None] = set()
    for number in range(1, MOST_MOMENTS, STRIDE):
        runner = create(services, host.spec(f"c{secrets.token_hex(3)}"))
        stop(services, runner.name, now=True)
        root = host.base_dir / runner.name
        for name in ("config.sh", ".runner"):
            (root / name).unlink()
        (root / "config.sh").write_text(REGISTERS)
        (root / "config.sh").chmod(0o755)
        status = crashing_accept.configure(runner.name, number, host.environment(PYTHONDONTWRITEBYTECODE="1"))
        backend, handle = services.backends.reach(runner)
        if status == 0:
            assert backend.accepted(handle) == 7
            remove(services, runner.name, force=True)
            assert accepted == {False, 7}, "it was killed before and after the script had done its work"
            return
        assert status == -signal.SIGKILL
        backend.kill(handle)
        accepted.add(backend.accepted(handle))
        assert processes.marked(runner.id) == []
        assert units.cgroup(runner.id) is None
        remove(services, runner.name, force=True)
        assert host.roots() == []
        assert list(backend.discover()) == []
        assert list(Path("/run/runnerctl").glob(f"token-{runner.id}")) == []
    raise AssertionError(f"more than {MOST_MOMENTS} moments")
