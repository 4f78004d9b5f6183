"""Jobs that run as the manager's own user: what they may not change they may not open to others either, our own code
and the manager's home are out of reach, and whoever of them asks at the socket is not the operator.
"""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import runnerctl
from runnerctl import core
from runnerctl.core.services import Services
from runnerctl.core.settings import load as settings
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, until
from tests.support.hosts.isolated import Isolated

PACKAGE = Path(runnerctl.__file__).parent


@pytest.fixture
def confined(landlock: None, host: Host, sandbox: Sandbox) -> Iterator[Isolated]:
    with closing(Services.open(settings.load(environ={}, env_file=str(host.env_file)))) as services:
        yield Isolated(host=host, services=services, sandbox=sandbox)


# Each is a line of Python; one that raises nothing is a breach. P is the path.
OPENS_TO_OTHERS = {
    "chmod": "os.chmod(P, 0o777)",
    "chmod by a descriptor that opens nothing": "os.chmod(f'/proc/self/fd/{os.open(P, os.O_PATH)}', 0o777)",
    "chmod by a descriptor of a directory": "os.fchmod(os.open(P, os.O_RDONLY | os.O_DIRECTORY), 0o777)",
    "give it away": "os.chown(P, 65534, 65534)",
    "change its times": "os.utime(P, (1, 1))",
    "set an attribute": "os.setxattr(P, 'user.x', b'x')",
    "add to its access list": "os.setxattr(P, 'system.posix_acl_access', ACL)",
    "cut it": "os.truncate(P, 0)",
    "rename it": "os.rename(P, P + '-was')",
    "lay a second name": "os.link(P, 'second'); os.chmod('second', 0o777)",
}
ACL = (
    "import struct; ACL = struct.pack('<I' + 'HHI' * 5, 2, 1, 7, 2**32 - 1, 2, 7, 65534, 4, 7, 2**32 - 1, 16, 7,"
    " 2**32 - 1, 32, 7, 2**32 - 1)"
)


def tries(paths: list[Path], lines: list[str], *, setup: str = "") -> str:
    """A step that tries each line on each path, and says ``BREACH`` of every one that works."""
    script = f"""
import os, sys
{ACL}
{setup}
for P in {list(map(str, paths))!r}:
    for line in {lines!r}:
        if "fchmod" in line and not os.path.isdir(P): continue
        try: exec(line)
        except (OSError, PermissionError) as exc: print("refused", exc.strerror)
        else: print("BREACH", P, line)
print("tried")
"""
    return f"{sys.executable} -ISB -c {shlex.quote(script)}"


def modes(paths: list[Path]) -> dict[Path, tuple[int, int, int]]:
    found = {path: path.lstat() for path in paths}
    return {path: (stat.S_IMODE(each.st_mode), each.st_uid, each.st_size) for path, each in found.items()}


def test_what_a_job_may_not_change_it_may_not_open_to_others(confined: Isolated) -> None:
    """The key's file with 644, the state directory with 777, and anybody of this host reads them."""
    host = confined.host
    confined.runner("other")
    ours = confined.runner("ours")
    listener = (host.base_dir / "ours" / "bin" / "Runner.Listener").resolve()
    paths = [
        host.env_file,
        host.state_dir,
        host.state_dir / "runnerctl.db",
        host.state_dir / "runners" / ours.id / "launch.json",
        host.base_dir,
        host.base_dir / "other",
        host.base_dir / "other" / ".credentials_rsaparams",
        host.package_dir,
        listener,
        listener.parent,
    ]
    before = modes(paths)
    said = confined.run("ours", tries(paths, list(OPENS_TO_OTHERS.values()))).splitlines()
    assert "tried" in said
    assert [line for line in said if line.startswith("BREACH")] == []
    assert {path: seen for path, seen in modes(paths).items() if seen != before[path]} == {}


def test_in_its_work_a_job_changes_modes_owners_times_and_attributes_as_ever(confined: Isolated) -> None:
    confined.runner("ours")
    work = "os.makedirs('d/e', exist_ok=True); open('f', 'w').close()"
    lines = ["os.chmod(P, 0o700)", "os.utime(P, (1, 1))", "os.link(P, P + '2')", "os.rename(P + '2', P + '3')"]
    said = confined.run("ours", f"mkdir -p $HOME/h; {tries([Path('f')], lines, setup=work)}; chmod +x f && ls -l f")
    assert said.count("\nBREACH ") == len(lines)
    assert "-rwx" in said
