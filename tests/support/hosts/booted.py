"""A real systemd for tests: this machine's own, started as the first process of namespaces of its own.

Its file system is an overlay of ours that vanishes at the end, its network a loopback, and its processes are in cgroups
below ours. Nothing of the machine is changed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import NEEDS_ROOT
from tests.support.hosts.host import SLOWNESS, until
from tests.support.hosts.isolated import passable
from tests.support.places import DATA, REPOSITORY

_SCRIPT = DATA / "boot.sh"
_SYSTEMD = Path("/lib/systemd/systemd")
_TOOLS = ("unshare", "nsenter", "systemctl", "systemd-analyze", "journalctl", "pivot_root", "ip", "useradd")
_UP = ("running", "degraded")
VENV = Path("/opt/runnerctl/venv")
"""Where the guide installs runnerctl, and where it is in there."""


@dataclass(frozen=True, kw_only=True)
class Booted:
    leader: int

    def popen(self, *argv: str, **options: object) -> subprocess.Popen[str]:
        """A process in there, as root, with the environment of a shell there."""
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/root", "SYSTEMD_COLORS": "0"}
        environment["SLOWNESS"] = str(SLOWNESS)
        entering = ("nsenter", "--target", str(self.leader), "--all", "--root", "--wd")
        return subprocess.Popen([*entering, *argv], env=environment, text=True, **options)  # type: ignore[call-overload,no-any-return]

    def run(self, *argv: str, input: str | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        pipe = subprocess.PIPE
        with self.popen(*argv, stdin=pipe, stdout=pipe, stderr=pipe) as process:
            try:
                stdout, stderr = process.communicate(input, timeout=timeout * SLOWNESS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(argv, process.returncode, stdout, stderr)

    def say(self, *argv: str) -> str:
        """What a command that must succeed says on standard output."""
        done = self.run(*argv)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def shell(self, script: str) -> str:
        return self.say("sh", "-ec", script)

    def write(self, path: str, text: str) -> None:
        done = self.run("sh", "-c", 'cat > "$0"', path, input=text)
        assert done.returncode == 0, done.stderr


def require_systemd() -> None:
    """Skips the test where none can be booted."""
    if os.geteuid() != 0:
        pytest.skip(NEEDS_ROOT)
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing or not _SYSTEMD.exists():
        pytest.skip(f"needs systemd and {', '.join(missing) or _SYSTEMD}")


@contextmanager
def boot(top: Path, binds: Mapping[Path, str]) -> Iterator[Booted]:
    """``binds``: directories of ours, and where they are in there."""
    top.mkdir()
    places = _hierarchies()
    name = f"runnerctl-boot-{os.getpid()}-{time.monotonic_ns()}"
    lines = "".join(f"{point}\t{kind}\t{options}\n" for point, kind, options in places)
    hierarchies = top.with_suffix(".hierarchies")
    hierarchies.write_text(lines)
    hierarchies.with_name(f"{hierarchies.name}.binds").write_text("".join(f"{a}\t{b}\n" for a, b in binds.items()))
    groups = [Path(point, name) for point, _, _ in places]
    for group in groups:
        _make_group(group)
    try:
        with _unshared(top, hierarchies, groups) as leader:
            booted = Booted(leader=leader)
            until(lambda: booted.run("systemctl", "is-system-running").stdout.strip() in _UP)
            yield booted
    finally:
        for group in groups:
            _remove_group(group)


def _hierarchies() -> list[tuple[str, str, str]]:
    """(mount point, type, options) of all that are mounted here, the outer one first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ")
        if kind == "cgroup2":
            found.append((mount.split()[4], kind, "nsdelegate" if "nsdelegate" in options else "rw"))
        elif kind == "cgroup":
            kept = [word for word in options.split(",") if word not in {"rw", "ro", "xattr"} and "agent" not in word]
            named = [f"none,{word}" if word.startswith("name=") else word for word in kept]
            found.append((mount.split()[4], kind, ",".join(named)))
    return sorted(found)


def _make_group(group: Path) -> None:
    group.mkdir()
    for name in ("cpuset.cpus", "cpuset.mems"):  # of version 1: empty ones take no process
        above = group.parent / name
        if above.exists() and (group / name).exists() and not (group / name).read_text().strip():
            (group / name).write_text(above.read_text())


def _remove_group(group: Path) -> None:
    """Those whom it held may take a moment to leave."""

    def gone() -> bool:
        for directory, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(directory).rmdir()
        return not group.exists()

    until(gone)


@contextmanager
def _unshared(top: Path, hierarchies: Path, groups: list[Path]) -> Iterator[int]:
    joining = "".join(f"echo $$ > '{group}/cgroup.procs'; " for group in groups)
    flags = "--mount --propagation private --uts --ipc --net --cgroup --pid --fork --kill-child"
    script = f"{joining} exec unshare {flags} bash '{_SCRIPT}' '{top}' '{hierarchies}'"
    with top.with_suffix(".log").open("w") as log:
        process = subprocess.Popen(
            ["bash", "-ec", script], stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _leave_to_child(process, groups, log.name)
        yield until(lambda: _leader(process, log.name))
    finally:
        with suppress(AssertionError):
            os.kill(_leader(process, log.name), signal.SIGKILL)
        process.kill()
        process.wait()


def _leave_to_child(process: subprocess.Popen[bytes], groups: list[Path], log: str) -> None:
    """Its parent leaves the groups: in version 2, one with processes of its own passes no controller on."""
    until(lambda: _child(process, "bash", log))
    for group in groups:
        (group.parent / "cgroup.procs").write_text(str(process.pid))
    assert process.stdin is not None
    process.stdin.close()  # what the script waits for


def _leader(process: subprocess.Popen[bytes], log: str) -> int:
    """The pid of the systemd in there; 0 as long as it is none yet."""
    return _child(process, "systemd", log)


def _child(process: subprocess.Popen[bytes], comm: str, log: str) -> int:
    assert process.poll() is None, Path(log).read_text()
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        if Path(f"/proc/{pid}/comm").read_text() == f"{comm}\n":
            return int(pid)
    return 0


def installation(top: Path, *, place: Path = VENV) -> dict[Path, str]:
    """The binds by which this package, its dependencies and an interpreter are in there, at that place.

    What root alone can write, whatever the modes of the checkout are.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    venv = top / "venv"
    site = venv / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    (venv / "bin").mkdir()
    binds, python = {venv: str(place)}, Path(sys.base_prefix, "bin", version)
    if not passable(python.resolve()):
        binds[Path(sys.base_prefix)] = "/opt/python"
        python = Path("/opt/python/bin", version)
    (venv / "pyvenv.cfg").write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n")
    (venv / "bin" / "python").symlink_to(python)
    (venv / "bin" / "runnerctl").write_text(f"#!{place}/bin/python\nfrom runnerctl.cli.main import main\nmain()\n")
    (venv / "bin" / "runnerctl").chmod(0o755)
    shutil.copytree(REPOSITORY / "runnerctl", site / "runnerctl")
    for path in (venv, *venv.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o022)
    # Not a site directory: its .pth files would lead to the checkout.
    (site / "dependencies.pth").write_text("/opt/dependencies\n")
    return {**binds, Path(pytest.__file__).parent.parent: "/opt/dependencies"}


# Directories of tests that run beside this one are in the lower layer of our file system.
_TRACES = r"""
find /etc /opt /srv /var/lib /run/systemd/system /run/systemd/transient /usr/lib/systemd /tmp /dev/shm -xdev \
    -path /opt/dependencies -prune -o -path /opt/python -prune -o -path /opt/check -prune \
    -o -path /var/lib/systemd -prune -o -name __pycache__ -prune \
    -o -name 'systemd-private-*' -prune -o -name 'runnerctl-test-*' -prune \
    -o ! -type d ! -name '*-' ! -name .pwd.lock -printf '%p %m %U:%G %s\n' -o -type d -printf '%p %m %U:%G\n' | sort
cat /etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/subuid /etc/subgid
systemctl list-units --all --plain --no-legend 'runnerctl*'
pgrep -af 'runnerctl|Runner[.]' | grep -v '^[0-9]* sh -ec' || true
"""
_VOLATILE = """
find /tmp -mindepth 1 -maxdepth 1 ! -name 'systemd-private-*' ! -name '.*' -exec rm -rf {} +
rm -rf /run/go-on /run/template /run/systemd/system/runnerctl* /run/process /run/systemd/runnerctl*
systemctl stop 'runnerctl*.slice'  # systemd makes them for units, and keeps them
systemctl daemon-reload
systemctl reset-failed
"""


class Machine:
    """A booted systemd for stories that come one after the other: each finds it as it was booted.

    One that leaves anything behind but what a restart would clear away costs the next one a boot of its own.
    """

    def __init__(self, top: Path, binds: Mapping[Path, str]) -> None:
        self._top, self._binds = top, binds
        self._running = ExitStack()
        self._booted: Booted | None = None
        self._before = ""
        self.boots = 0

    @contextmanager
    def story(self) -> Iterator[Booted]:
        if self._booted is None:
            self._booted = self._running.enter_context(boot(self._top / f"boot-{self.boots}", self._binds))
            self._before = self._booted.shell(_TRACES)
            self.boots += 1
        yield self._booted
        if not self._is_as_before(self._booted):
            self.end()

    def _is_as_before(self, booted: Booted) -> bool:
        try:
            booted.shell(_VOLATILE)
            return booted.shell(_TRACES) == self._before
        except (AssertionError, subprocess.TimeoutExpired):
            return False  # a story that failed half-way may have left it in any state

    def end(self) -> None:
        self._booted = None
        self._running.close()
