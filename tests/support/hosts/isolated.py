"""A host whose jobs run as users of their own: below a directory that every user can pass, with a Python for all."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.host import job_traces, job_users, user_processes
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from runnerctl.standin.archive import build_archive
from tests.support.hosts.host import Host, create, remove, until
from tests.support.sandboxes.strictness import strict_sandbox

_FREE = range(60600, 61180)
"""Ids that nobody gives to accounts or units: https://systemd.io/UIDS-GIDS."""
_FIRST = _FREE[3 * os.getpid() % (len(_FREE) - 2)]
USERS = (_FIRST, _FIRST + 1, _FIRST + 2)
"""Others in each process of tests: all that runs as one of them is killed."""
RUN_AS = f"{USERS[0]}-{USERS[-1]}"
REPO = "acme/widgets"


@dataclass(frozen=True, kw_only=True)
class Isolated:
    host: Host
    services: Services
    sandbox: Sandbox

    def runner(self, name: str, **more: object) -> core.Runner:
        return create(self.services, self.host.spec(name, **more), wait=core.Wait.ONLINE)

    def run(self, name: str, script: str, *, conclusion: str = "success") -> str:
        """What a job with that step says on the runner of that name."""
        job = self.sandbox.submit_job(REPO, [name], [{"run": script}])
        seen = self.sandbox.wait_job(job, timeout=30)
        assert seen.conclusion == conclusion, seen
        return "\n".join(seen.lines)


def passable(path: Path) -> bool:
    return all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))


def python_for_all() -> Path:
    """An interpreter that every user can run. Skips where there is none."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        path = Path(candidate)
        if path.exists() and passable(path.resolve()):
            return path
    pytest.skip("needs a Python that every user can run")


@pytest.fixture(scope="session")
def open_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("open-archive") / "actions-runner.tar.gz"
    return build_archive(target, version="2.336.0", interpreter=python_for_all())


@pytest.fixture
def open_top() -> Iterator[Path]:
    """Outside ``/tmp``, so that a runner can have a ``/tmp`` of its own."""
    top = Path(tempfile.mkdtemp(prefix="runnerctl-test-", dir="/var/lib"))
    top.chmod(0o755)
    yield top
    shutil.rmtree(top)


@pytest.fixture
def isolated(as_root: None, open_top: Path, open_archive: Path) -> Iterator[Isolated]:
    with strict_sandbox(archive=open_archive) as sandbox:
        packages = open_top / "runners" / ".packages"
        host = Host.make(open_top, package_dir=packages, github=sandbox.environment(), token=secrets.token_hex(16))
        host.write_env_file(RUNNERCTL_RUN_AS=RUN_AS)
        services = host.services(RUNNERCTL_RUN_AS=RUN_AS, RUNNERCTL_LIMITS_PROCESSES="60", RUNNERCTL_FORK_GUARD="true")
        yield Isolated(host=host, services=services, sandbox=sandbox)
        for runner in services.store.live():
            remove(services, runner.name, force=True)  # its supervisor buries its dead at once
        services.close()
        host.kill_everything()
        for uid in USERS:
            user_processes.kill_all((uid, uid), seconds=5)
            job_traces.clear(uid)
        # Whoever inherited the dead may take a moment to bury them, and they count against the next test.
        until(lambda: not set(USERS) & job_users.with_processes(zombies=True))
