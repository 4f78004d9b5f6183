"""Limits that a kernel keeps: jobs that take too much, as units and as processes. ``make e2e`` has such a kernel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runnerctl.sandbox import Sandbox
from tests.support.hosts.booted import Booted
from tests.support.hosts.host import SLOWNESS, Host, Server, until
from tests.support.hosts.installed import Service, started_github

TOP = Path("/sys/fs/cgroup")
REPO = "acme/widgets"
MEMORY, PROCESSORS, PROCESSES = 192 * 1024**2, 0.5, 100
LIMITS = {
    "RUNNERCTL_LIMITS_MEMORY_MAX": str(MEMORY),
    "RUNNERCTL_LIMITS_CPU_MAX": str(PROCESSORS),
    "RUNNERCTL_LIMITS_PROCESSES": str(PROCESSES),
}
WEIGHT = {"RUNNERCTL_LIMITS_IO_WEIGHT": "50"}
NOT_BY_UNITS = "Not enforced: limits.io_weight (io): this host's cgroups lack the controllers"
NOT_BY_PROCESSES = "Not enforced: limits.memory_max, limits.cpu_max, limits.processes"

_HERE = "HERE=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)\n"
_FILLS = f"python3 -c 'x = b\"x\" * {3 * MEMORY}'"
SURVIVES = f"{_HERE}{_FILLS} || echo status=$?\ngrep -w oom_kill $HERE/memory.events"
DIES = f"exec {_FILLS}"
BURNS = f"""{_HERE}python3 - $HERE/cpu.stat <<'END'
import os, sys, time
def used():
    return int(open(sys.argv[1]).read().split()[1]) / 1e6
used_before, began = used(), time.monotonic()
child = os.fork()
while time.monotonic() < began + 3:
    pass
if not child:
    os._exit(0)
os.wait()
print(f"share={{(used() - used_before) / (time.monotonic() - began):.2f}}")
END
grep nr_throttled $HERE/cpu.stat
"""
FORKS = f"""{_HERE}python3 - <<'END'
import os, signal
children = []
try:
    while len(children) < {3 * PROCESSES}:
        children.append(os.fork())
        if not children[-1]:
            signal.pause()
except BlockingIOError:
    pass
for child in children:
    os.kill(child, signal.SIGKILL)
print(f"forks={{len(children)}}")
END
grep max $HERE/pids.events
"""


@pytest.fixture(scope="module", autouse=True)
def controllers() -> None:
    """Skips where no kernel would keep a limit."""
    try:
        passed_on = set((TOP / "cgroup.subtree_control").read_text().split())
    except OSError:
        passed_on = set()
    if os.geteuid() != 0 or not passed_on >= {"cpu", "memory", "pids"}:
        pytest.skip("needs root and cgroup v2 with controllers")


def numbers(lines: str) -> dict[str, float]:
    """``name=1`` and ``name 1``."""
    return {name: float(value) for name, value in re.findall(r"^(\w+)[= ]([\d.]+)$", lines, re.MULTILINE)}


def stays_within(run: Callable[[str], str]) -> None:
    """What a job may take: ``run`` has one run a script, and returns what it said."""
    said = numbers(run(SURVIVES))
    assert (said["status"], said["oom_kill"]) == (137, 1)
    said = numbers(run(BURNS))
    assert said["nr_throttled"] > 0
    assert said["share"] < PROCESSORS * 1.2
    said = numbers(run(FORKS))
    assert PROCESSES / 2 < said["forks"] < PROCESSES
    assert said["max"] > 0


# --- Runners that are units


@pytest.fixture(scope="module")
def service(inside: Booted) -> Iterator[Service]:
    with started_github(inside) as made:
        assert made.runnerctl("service", "install").returncode == 0
        names = ("GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY_B64", "GITHUB_API_URL", "GITHUB_SERVER_URL")
        made.set(**{name: made.github[name] for name in names}, **LIMITS, RUNNERCTL_REMOVE_SETTLE="0.2")
        yield made
        made.runnerctl("service", "uninstall", "--purge", "--yes")


def installed(service: Service, **settings: str) -> Any:
    service.set(**settings)
    done = service.runnerctl("service", "install", "--now")
    assert done.returncode == 0, done.stderr
    service.inside.say("systemctl", "restart", "runnerctl-server")
    return service.ask("GET", "/readyz")


def lasting(service: Service, name: str) -> str:
    """A persistent runner, and its unit."""
    made = service.ask("POST", "/api/v1/runners", {"repo": REPO, "name": name, "ephemeral": False, "wait": "online"})
    assert made["http"] == 201, made
    return f"runnerctl-runner@{made['id']}.service"


def test_a_unit_takes_no_more_than_its_limits_and_its_runner_goes_on(service: Service) -> None:
    assert installed(service)["degraded"] is None
    unit = lasting(service, "bounded")

    def run(script: str) -> str:
        job = service.submit("bounded", script)
        seen, said = service.concluded(job), service.log(job)
        assert seen["conclusion"] == "success", said
        return said

    main = service.show("MainPID", unit)
    stays_within(run)
    killed = service.submit("bounded", DIES)
    assert service.concluded(killed)["conclusion"] == "failure"
    assert "after" in run("echo after")
    assert service.show("MainPID", unit) == main
    assert service.show("NRestarts", unit) == "0"
    assert service.ask("DELETE", "/api/v1/runners/bounded")["http"] == 200


def test_an_ephemeral_unit_whose_job_is_killed_reports_it_and_ends(service: Service) -> None:
    service.online("once")
    job = service.submit("once", DIES)
    seen = service.concluded(job)
    assert (seen["conclusion"], seen["runner_name"]) == ("failure", "once")
    until(lambda: service.runner("once")["state"] == "completed")


@pytest.mark.parametrize("victim", ["Runner.Listener", "Runner.Worker", "supervisor"])
def test_whoever_of_a_unit_the_kernel_kills_for_memory_the_job_ends_and_the_runner_goes_on(
    service: Service, victim: str
) -> None:
    """The victim goes first, being marked so; then the step's own program, without which the step goes on.

    A Worker takes its job with it: the Listener reports it as failed (``contract/real-runner.md``).
    """
    assert installed(service)["degraded"] is None
    unit = lasting(service, "bounded")
    job = service.submit("bounded", f"while [ ! -e ../../../fill ]; do sleep 0.05; done\n{_FILLS} || echo killed")
    until(lambda: service.runner("bounded")["phase"] == "busy")
    pid = service.show("MainPID", unit) if victim == "supervisor" else named(service, unit, victim)
    equal = f"for pid in $({procs(unit)}); do echo 0 > /proc/$pid/oom_score_adj; done"
    service.inside.shell(f"{equal}; echo 1000 > /proc/{pid}/oom_score_adj")
    service.inside.shell("touch /opt/runnerctl/runners/bounded/fill")
    expected = "failure" if victim == "Runner.Worker" else "success"
    assert service.concluded(job)["conclusion"] == expected
    assert service.inside.run("ls", f"/proc/{pid}/exe").returncode != 0, "it was not killed at all"
    assert service.concluded(service.submit("bounded", "true"))["conclusion"] == "success"
    until(lambda: service.runner("bounded")["state"] == "idle")
    assert service.ask("DELETE", "/api/v1/runners/bounded")["http"] == 200


def named(service: Service, unit: str, comm: str) -> str:
    is_it = f'[ "$(cat /proc/$pid/comm)" = {comm} ]'
    return service.inside.shell(f"for pid in $({procs(unit)}); do {is_it} && echo $pid; done; true").split()[0]


def procs(unit: str) -> str:
    """A command that prints them; the unit's processes are in cgroups below its own, or in it."""
    return f"find {TOP}/runnerctl.slice/{unit} -name cgroup.procs -exec cat {{}} +"


def test_a_weight_is_told_as_not_enforced_exactly_where_the_kernel_weighs_no_disk(service: Service) -> None:
    weighs = any(TOP.glob("*/io.weight"))
    assert installed(service, **WEIGHT)["degraded"] == (None if weighs else NOT_BY_UNITS)
    unit = lasting(service, "weighed")
    assert service.show("IOWeight", unit) == "50"
    if weighs:
        assert service.inside.say("cat", f"{TOP}/runnerctl.slice/{unit}/io.weight") == "default 50\n"
    assert service.ask("DELETE", "/api/v1/runners/weighed")["http"] == 200
    installed(service, RUNNERCTL_LIMITS_IO_WEIGHT="")


def test_the_process_backends_unit_gets_no_controller_says_so_and_can_be_restarted(service: Service) -> None:
    """With ``Delegate=yes``, too: a cgroup that passes controllers on takes no process (219/CGROUP, below 254)."""
    assert service.runnerctl("service", "install", "--now", "--backend", "process").returncode == 0
    override = "/run/systemd/system/runnerctl-server.service.d"
    for delegate in ("", "yes"):
        service.inside.shell(f"mkdir -p {override}")
        service.inside.write(f"{override}/delegate.conf", f"[Service]\nDelegate={delegate}\n")
        service.inside.shell("systemctl daemon-reload; systemctl restart runnerctl-server")
        name = f"process-{delegate or 'none'}"
        runner = service.online(name)
        assert "/runnerctl-server.service/runnerctl-" in service.inside.say("cat", f"/proc/{runner['pid']}/cgroup")
        service.inside.say("systemctl", "restart", "runnerctl-server")
        assert service.show("NRestarts") == "0"
        assert service.runner(name)["pid"] == runner["pid"]
        assert NOT_BY_PROCESSES in service.ask("GET", "/readyz")["degraded"]
        assert service.ask("DELETE", f"/api/v1/runners/{name}")["http"] == 200


# --- Runners that are processes, of a manager at the top of all cgroups


def at_the_top(host: Host, *argv: str) -> subprocess.CompletedProcess[str]:
    """The command line where systemd has put nothing: the only cgroup that has processes and passes controllers on."""
    script = f'echo $$ > {TOP}/cgroup.procs; exec "$@"'
    command = ["sh", "-ec", script, "-", sys.executable, "-m", "runnerctl", *argv]
    return subprocess.run(
        command,
        env=host.environment(),
        cwd=host.top,
        capture_output=True,
        text=True,
        timeout=60 * SLOWNESS,
        check=False,
    )


@pytest.fixture
def top_host(host: Host) -> Iterator[Host]:
    if (TOP / "cgroup.type").exists():
        pytest.skip("needs root and cgroup v2 with controllers, up to the top")
    host.write_env_file(**LIMITS)
    yield host
    for name in ("bounded", "once"):
        at_the_top(host, "remove", name, "--force")


def test_a_process_takes_no_more_than_its_limits_and_its_runner_goes_on(top_host: Host, sandbox: Sandbox) -> None:
    made = at_the_top(top_host, "create", "bounded", "--repo", REPO, "--persistent", "--wait", "online")
    assert made.returncode == 0, made.stderr
    assert "Not enforced" not in at_the_top(top_host, "status", "bounded", "--output", "json").stdout

    def run(script: str, conclusion: str = "success") -> str:
        job = sandbox.submit_job(REPO, ["bounded"], [{"run": script}])
        seen = sandbox.wait_job(job, timeout=60 * SLOWNESS)
        assert seen.conclusion == conclusion, seen
        return "\n".join(seen.lines)

    pid = top_host.cli_json("status", "bounded")["pid"]
    stays_within(run)
    run(DIES, "failure")
    assert "after" in run("echo after")
    assert top_host.cli_json("status", "bounded")["pid"] == pid


def test_an_ephemeral_process_whose_job_is_killed_reports_it_and_ends(top_host: Host, sandbox: Sandbox) -> None:
    made = at_the_top(top_host, "create", "once", "--repo", REPO, "--wait", "online")
    assert made.returncode == 0, made.stderr
    job = sandbox.submit_job(REPO, ["once"], [{"run": DIES}])
    assert sandbox.wait_job(job, timeout=60 * SLOWNESS).conclusion == "failure"
    until(lambda: top_host.cli_json("status", "once")["state"] == "completed")


def test_a_manager_elsewhere_says_that_it_enforces_nothing(host: Host, serve: Callable[..., Server]) -> None:
    host.write_env_file(**LIMITS)
    assert NOT_BY_PROCESSES in serve().request("GET", "/readyz").json()["degraded"]
