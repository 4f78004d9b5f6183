"""What a runner started is found and killed, whatever it does to be forgotten."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.host import cgroups, processes
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, create, remove
from tests.support.hosts.supervised import until

pytest_plugins = ("tests.support.breaking.orphans",)

DAEMONS = {
    "setsid": "setsid sleep {token} &",
    "nohup": "nohup sleep {token} >/dev/null 2>&1 &",
    "double fork": "(setsid sh -c 'sleep {token} & exit' &)",
    "changed tracking id": "RUNNER_TRACKING_ID=0 setsid sleep {token} &",
    "dropped mark": "env -i /usr/bin/setsid /bin/sleep {token} &",
    "dropped mark, double fork": "(env -i /usr/bin/setsid /bin/sh -c '/bin/sleep {token} & exit' &)",
}
FORK_BOMB = """
import os, time  # {token}
end = time.monotonic() + 20
for _ in range(64):
    if os.fork() == 0:
        while time.monotonic() < end:
            if os.fork(): os._exit(0)
        os._exit(0)
"""
"""64 at a time, none of which lives longer than it takes to fork the next; over by itself after 20 seconds."""


def having(token: str) -> list[int]:
    """The living processes with ``token`` in their command line."""
    found = []
    for path in Path("/proc").iterdir():
        try:
            line = (path / "cmdline").read_bytes() if path.name.isdigit() else b""
        except OSError:
            continue
        if token.encode() in line and processes.identify(int(path.name)) is not None:
            found.append(int(path.name))
    return found


# Where


ONE_HIERARCHY = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
HYBRID = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)
BIND_MOUNT = "30 23 0:26 /docker/1f /sys/fs/cgroup ro - cgroup2 cgroup rw\n"


@pytest.mark.parametrize(
    ("membership", "mounts", "found"),
    [
        ("0::/user.slice/a.scope\n", ONE_HIERARCHY, "/sys/fs/cgroup/user.slice/a.scope"),
        ("0::/\n", ONE_HIERARCHY, "/sys/fs/cgroup"),
        ("9:name=systemd:/x\n8:pids:/y\n0::/a\n", HYBRID, "/sys/fs/cgroup/unified/a"),
        ("8:pids:/y\n", HYBRID, None),
        ("0::/a\n", HYBRID.replace("cgroup2", "cgroup"), None),
        ("0::/docker/1f/a\n", BIND_MOUNT, "/sys/fs/cgroup/a"),
        ("0::/docker/1f\n", BIND_MOUNT, "/sys/fs/cgroup"),
        ("0::/docker/1fa\n", BIND_MOUNT, None),
        ("0::/../other\n", ONE_HIERARCHY, None),
        ("0::/a\n", ONE_HIERARCHY.replace("/sys/fs/cgroup", r"/mnt/my\040groups"), "/mnt/my groups/a"),
    ],
)
def test_the_own_cgroup_is_found_below_its_mount(membership, mounts, found):
    assert cgroups.locate(membership, mounts) == (found and Path(found))


@pytest.mark.parametrize("path", [None, "", "/sys/fs/cgroup/system.slice", "/x/runnerctl-other", "runnerctl-one"])
def test_no_cgroup_but_the_runners_own_is_ever_touched(path):
    assert not cgroups.belongs_to(path, "one")
    assert cgroups.belongs_to("/anywhere/runnerctl-one", "one")


def test_the_listener_is_in_its_cgroup_and_its_supervisor_is_not(orphan):
    it = orphan().marked_by_cgroup().started()
    worker = it.long_job()
    assert set(cgroups.pids(str(it.cgroup))) == {it.process("listener").pid, worker.pid}
    assert (it.record["mark"], it.record["cgroup"]) == ("cgroup", str(it.cgroup))
    assert (it.report["mark"], it.report["cgroup"]) == ("cgroup", str(it.cgroup))
    it.signal(signal.SIGINT)
    it.ended()
    assert not it.cgroup.exists()


@pytest.mark.parametrize("place", ["missing/cgroup", "no-cgroup-file-system"])
def test_without_a_cgroup_it_is_the_walk_and_the_record_says_so(orphan, tmp_path, place):
    it = orphan(cgroup=str(tmp_path / place)).started()
    assert (it.record["mark"], it.record["cgroup"], it.report["mark"]) == ("walk", None, "walk")
    assert not (tmp_path / place).exists()
    it.order("shell('setsid sleep 600 & echo left', {'PATH': '/bin:/usr/bin', 'RUNNERCTL_LIFE': 'other'})")
    it.logged("left")
    it.signal(signal.SIGINT)
    assert it.ended()["reason"] is None


def test_a_cgroup_that_cannot_be_joined_is_given_up(orphan):
    it = orphan()
    parent = it.cgroup.with_name(f"{it.cgroup.name}-parent")
    # What lies beside a threaded cgroup can have no processes.
    for path in (parent, parent / "threaded"):
        path.mkdir()
    (parent / "threaded" / "cgroup.type").write_text("threaded")
    try:
        it.launch["cgroup"] = str(parent / it.cgroup.name)
        it.started()
        assert (it.phase("listening")["mark"], it.record["cgroup"]) == ("walk", None)
        assert "not in a cgroup of their own" in it.log
        it.signal(signal.SIGINT)
        assert it.ended()["outcome"] == "stopped"
        assert not (parent / it.cgroup.name).exists()
    finally:
        cgroups.remove(str(parent), seconds=1.0)


# Whatever it does to be forgotten


@pytest.mark.parametrize("by", ["supervisor", "adopter", "manager", "manager of an orphan"])
def test_no_daemon_of_a_job_is_left(orphan, by):
    it = orphan().marked_by_cgroup().started()
    token = f"6{os.getpid()}"
    for script in DAEMONS.values():
        environment = {"PATH": "/usr/bin:/bin", "RUNNERCTL_LIFE": it.life, "RUNNER_TRACKING_ID": "github_1"}
        it.order(f"shell({script.format(token=token)!r}, {environment})")

    def sleeping() -> list[int]:
        return [pid for pid in having(token) if processes.comm(pid) == "sleep"]

    until(lambda: len(sleeping()) == len(DAEMONS))
    until(lambda: having(token) == sleeping(), what="the end of those that started them")
    if by in {"adopter", "manager of an orphan"}:
        it.loses_its_supervisor()
    if by == "adopter":
        it.adopted()
    if by.startswith("manager"):
        it.backend.kill(it.handle)
    else:
        it.signal(signal.SIGINT)
        it.ended()
    assert having(token) == []
    assert processes.marked(it.life) == []
    assert not it.cgroup.exists()


def test_cgroups_that_a_job_made_go_too(orphan):
    it = orphan().marked_by_cgroup().started()
    nested = it.cgroup / "a" / "b"
    it.order(f"os.makedirs({str(nested)!r}); os.mkdir({str(it.cgroup / 'c')!r})")
    it.order(f"shell('echo 0 > {nested}/cgroup.procs; exec env -i sleep 600', {{'PATH': '/bin:/usr/bin'}})")
    inside = until(lambda: cgroups.pids(str(nested)))
    assert set(inside) <= set(cgroups.pids(str(it.cgroup)))
    it.signal(signal.SIGINT)
    it.ended()
    assert [pid for pid in inside if processes.identify(pid)] == []
    assert not it.cgroup.exists()


def test_a_job_that_froze_itself_is_killed(orphan):
    it = orphan().marked_by_cgroup().started()
    it.phase("listening")
    (it.cgroup / "cgroup.freeze").write_text("1")
    until(lambda: "frozen 1" in (it.cgroup / "cgroup.events").read_text())
    it.backend.kill(it.handle)
    assert not it.cgroup.exists()
    assert not processes.alive(it.process("listener"))


def test_a_worker_without_mark_or_parent_is_still_a_job(orphan):
    it = orphan().marked_by_cgroup().started()
    it.phase("listening")
    renamed = "open('/proc/self/comm', 'w').write('Runner.Worker')"
    it.order(f"python(\"import os, time; os.chdir('/'); {renamed}; os.fork() and os._exit(0); time.sleep(600)\")")
    until(lambda: it.backend.working(it.handle))
    it.loses_its_supervisor().loses_its_listener()
    assert it.backend.working(it.handle)
    assert it.adopted().report["listener"] is None
    it.backend.kill(it.handle)
    assert not it.backend.working(it.handle)


def test_a_process_whose_name_is_no_text_hides_no_job(tmp_path):
    """Whoever runs anything on the host chooses its name."""
    program = os.fsencode(tmp_path) + b"/\xff\xfe"
    shutil.copy("/bin/sleep", program)
    stranger = subprocess.Popen([program, "60"])
    try:
        until(lambda: processes.comm(stranger.pid) == "\ufffd\ufffd")  # named a moment after it is executed
        assert processes.worker(None, "nobody") is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("orphaned", [False, True])
def test_a_fork_bomb_is_dead_in_time(orphan, orphaned):
    it = orphan().marked_by_cgroup().started()
    it.phase("listening")
    token = f"bomb-{it.life}"
    it.order(f"python({FORK_BOMB.format(token=token)!r})")
    until(lambda: len(cgroups.pids(str(it.cgroup))) > 32, what="the bomb")
    if orphaned:
        it.loses_its_supervisor()
    begun = time.monotonic()
    it.backend.kill(it.handle)
    assert time.monotonic() - begun <= 10.0  # two where the machine does nothing else
    assert having(token) == []
    assert not it.cgroup.exists()


def test_a_supervisor_ends_a_fork_bomb_too(orphan):
    it = orphan().marked_by_cgroup().started()
    it.phase("listening")
    token = f"bomb-{it.life}"
    it.order(f"python({FORK_BOMB.format(token=token)!r})")
    until(lambda: len(cgroups.pids(str(it.cgroup))) > 32, what="the bomb")
    it.signal(signal.SIGINT)
    assert it.ended()["reason"] is None
    assert having(token) == []


# Through the core


def test_a_created_runner_has_its_cgroup_in_its_handle_and_none_is_left(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    handle = json.loads(services.store.get(runner.id).handle or "{}")  # type: ignore[union-attr]
    place = cgroups.place_for(runner.id)
    assert (handle["mark"], handle["cgroup"]) == (("walk", None) if place is None else ("cgroup", place))
    assert host.cgroups() == ([] if place is None else [place])
    remove(services, "one")
    assert (host.processes(), host.cgroups()) == ([], [])
