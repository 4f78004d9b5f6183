"""What a runner may take of the host: limits of its cgroup where there are controllers, its place in the queues."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runnerctl import core
from runnerctl.core.backends import limits
from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.engine import routed
from runnerctl.core.host import cgroups
from runnerctl.core.services import Services
from runnerctl.core.settings import load as settings
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server, create, start, stop, until

pytest_plugins = ("tests.support.breaking.orphans",)

REPO = "acme/widgets"
EVERY = {
    "RUNNERCTL_LIMITS_MEMORY_MAX": "2G",
    "RUNNERCTL_LIMITS_CPU_MAX": "1.5",
    "RUNNERCTL_LIMITS_IO_WEIGHT": "50",
    "RUNNERCTL_LIMITS_PROCESSES": "500",
}
FILES = {"memory.max": "2147483648", "cpu.max": "150000 100000", "io.weight": "50", "pids.max": "500"}


# --- By cgroup


def test_settings_become_what_the_kernel_reads(host: Host) -> None:
    asked = limits.asked(host.settings(**EVERY).limits)
    assert {limit.file: limit.value for limit in asked} == FILES
    assert {limit.controller for limit in asked} == {"memory", "cpu", "io", "pids"}
    assert limits.asked(host.settings().limits) == ()


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("MEMORY_MAX", "10M", "at least 64M"),
        ("MEMORY_MAX", "lots", "use 1000000"),
        ("CPU_MAX", "0", "number of processors"),
        ("CPU_MAX", "-1", "number of processors"),
        ("CPU_MAX", "50%", "number of processors"),
        ("CPU_MAX", "nan", "number of processors"),
        ("IO_WEIGHT", "0", "from 1 to 10000"),
        ("NICE", "-5", "from 0 to 19"),
        ("NICE", "20", "from 0 to 19"),
        ("OOM_SCORE_ADJ", "1001", "from 0 to 1000"),
    ],
)
def test_what_cannot_be_a_limit_is_refused(host: Host, variable: str, text: str, says: str) -> None:
    with pytest.raises(ConfigInvalid, match=says):
        host.settings(**{f"RUNNERCTL_LIMITS_{variable}": text})


def test_controllers_are_those_that_the_parent_passes_on(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("cpu pids\n")
    (tmp_path / "cgroup.subtree_control").chmod(0o444)
    assert cgroups.enabled(tmp_path, {"cpu", "pids"}) == {"cpu", "pids"}
    assert cgroups.enabled(tmp_path, {"cpu"}) == {"cpu"}
    assert (tmp_path / "cgroup.subtree_control").read_text() == "cpu pids\n", "what is on is not switched on again"


def test_one_that_is_off_is_switched_on(tmp_path: Path) -> None:
    """The kernel reads the file's words as orders; here they are kept as they were written."""
    (tmp_path / "cgroup.subtree_control").write_text("")
    cgroups.enabled(tmp_path, {"memory"})
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"


def test_none_is_switched_on_below_the_top_as_no_runner_could_enter_then(tmp_path: Path) -> None:
    for file in ("cgroup.subtree_control", "cgroup.type"):
        (tmp_path / file).write_text("")
    assert cgroups.enabled(tmp_path, {"pids"}) == set()
    assert (tmp_path / "cgroup.subtree_control").read_text() == ""


@pytest.mark.parametrize(
    ("there", "file", "known"),
    [
        (["cgroup.type", "memory.max"], "memory.max", True),
        (["cgroup.type", "io.max"], "io.weight", False),
        ([], "memory.max", True),
        ([], "io.weight", False),
        (["io.cost.qos"], "io.weight", True),
    ],
)
def test_a_kernel_that_weighs_no_disks_is_told_from_one_that_does(
    tmp_path: Path, there: list[str], file: str, known: bool
) -> None:
    for each in there:
        (tmp_path / each).touch()
    assert cgroups.knows(tmp_path, file) is known


def test_where_there_is_none_nothing_is_enabled(orphan: Callable[..., Any], tmp_path: Path) -> None:
    place = orphan().cgroup
    place.mkdir()
    try:
        assert cgroups.enabled(place, {"memory", "no-such-controller"}) == set()
    finally:
        place.rmdir()
    assert cgroups.enabled(tmp_path / "missing", {"memory"}) == set()


def test_a_runner_is_limited_before_it_runs_and_what_cannot_be_is_logged(orphan: Callable[..., Any]) -> None:
    """By a limit that every cgroup has, whatever its controllers. A kernel may have no swap to forbid."""
    limits = {"memory.swap.max": "0", "cgroup.max.descendants": "3", "no.such.limit": "1"}
    it = orphan(limits=limits).marked_by_cgroup().started()
    assert (it.cgroup / "cgroup.max.descendants").read_text() == "3\n"
    assert "swap" not in it.logged("Not limited: no.such.limit '1'")
    it.phase("listening")


def test_a_real_runner_is_limited_as_far_as_this_host_can_and_the_rest_is_told(host: Host, sandbox: Sandbox) -> None:
    """Which controllers a machine passes on is its own; all places must tell the same of it."""
    services = host.services(**EVERY)
    runner = create(services, host.spec("limited"), wait=core.Wait.ONLINE)
    left = limits.unenforced(limits.asked(services.settings.limits), isolates=False)
    degraded = core.runner_status(services, "limited").degraded or ""
    assert (left or "") in degraded
    assert ("Not enforced" in degraded) is (left is not None)
    enforced = limits.enforceable(limits.asked(services.settings.limits))
    place = Path(cgroups.place_for(runner.id) or "/nonexistent")
    for limit in enforced:
        assert (place / limit.file).read_text().split()[-1] in limit.value
    log = (host.base_dir / "limited" / "runner.log").read_text()
    assert "Not limited" not in log or "io.weight" in log
    host.write_env_file(**EVERY)
    told = host.cli("config", "validate")
    assert told.returncode == 0
    assert ("Not enforced: limits.memory_max" in told.stderr) is ("limits.memory_max" in (left or ""))
    services.close()


def test_the_server_says_at_its_start_what_it_cannot_enforce(host: Host, serve: Callable[..., Server]) -> None:
    host.write_env_file(**EVERY)
    left = limits.unenforced(limits.asked(host.settings(**EVERY).limits), isolates=False)
    server = serve()
    ready = server.request("GET", "/readyz").json()["degraded"]
    for said in (ready, server.log.read_text()):
        assert (left or "that runs runnerctl") in said


@pytest.mark.parametrize("isolates", [True, False])
def test_processes_are_counted_by_user_where_each_runner_has_its_own(host: Host, isolates: bool) -> None:
    (limit,) = limits.asked(host.settings(RUNNERCTL_LIMITS_PROCESSES="9").limits)
    left = limits.unenforced([limit], isolates=isolates)
    assert (left is None) is (isolates or limit in limits.enforceable([limit]))


# --- In the kernel's queues


def standing(pid: int | str) -> tuple[int, int]:
    """(nice, score for the out-of-memory killer)."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(stat[16]), int(Path(f"/proc/{pid}/oom_score_adj").read_text())


OURS = standing("self")


def listener(services: Services, name: str) -> int:
    runner = services.store.latest(name)
    assert runner is not None
    return routed.processes(services, runner)[1].pid


def supervisor(services: Services, name: str) -> int:
    runner = services.store.latest(name)
    assert runner is not None
    return routed.processes(services, runner)[0].pid


@pytest.mark.persistent
@pytest.mark.parametrize(
    ("changes", "nice", "score"),
    [({}, 5, 250), ({"RUNNERCTL_LIMITS_NICE": "0", "RUNNERCTL_LIMITS_OOM_SCORE_ADJ": "0"}, 0, 0)],
)
def test_what_a_runner_runs_stands_back_for_its_supervisor_and_is_killed_before_it(
    host: Host, sandbox: Sandbox, changes: dict[str, str], nice: int, score: int
) -> None:
    services = host.services(**changes)
    create(services, host.spec("polite", ephemeral=False), wait=core.Wait.ONLINE)
    expected = (max(OURS[0], nice), max(OURS[1], score))
    assert standing(listener(services, "polite")) == expected
    assert standing(supervisor(services, "polite")) == OURS
    job = sandbox.submit_job(
        REPO, ["polite"], [{"run": "cut -d' ' -f19 /proc/self/stat; cat /proc/self/oom_score_adj"}]
    )
    steps = sandbox.wait_job(job, timeout=20).steps
    *_, its_nice, its_score = next(step.lines for step in steps if step.name.startswith("Run "))
    assert int(its_nice) == expected[0]
    assert int(its_score) >= max(500, expected[1]), "its steps are killed first of all"
    until(lambda: not stop(services, "polite").draining)  # what has run the job may still be there
    start(services, "polite")
    assert standing(listener(services, "polite")) == expected
    services.close()


def test_nothing_is_ever_bettered(host: Host, services: Services, sandbox: Sandbox) -> None:
    """A manager that stands back itself makes no runner that does not."""
    steps = (
        "import os, sys",
        "os.nice(12)",
        "open('/proc/self/oom_score_adj', 'w').write('700')",
        f"os.execv(sys.executable, [sys.executable, '-m', 'runnerctl', 'create', 'low', '--repo', '{REPO}'])",
    )
    command = [sys.executable, "-c", "; ".join(steps)]
    subprocess.run(command, env=host.environment(), cwd=host.top, check=True, timeout=60)
    assert standing(listener(services, "low")) == (min(OURS[0] + 12, 19), 700)


def test_defaults_are_the_documented_ones() -> None:
    found = settings.load(environ={})
    assert (found.limits.nice, found.limits.oom_score_adj) == (5, 250)
