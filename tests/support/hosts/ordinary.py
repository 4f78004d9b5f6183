"""A host whose manager is an ordinary user, and where we are root: as after ``docker run`` or ``sudo``."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import SLOWNESS
from tests.support.hosts.refused import NOBODY, Moved

# What is needed is imported before, as root's interpreter may be closed to others.
_ALL = """
import importlib, os, pkgutil, sys
import runnerctl.cli, runnerctl.core, difflib, dotenv.main, shlex
import encodings.ascii, encodings.idna, encodings.latin_1
import cryptography.hazmat.primitives.serialization, cryptography.hazmat.primitives.asymmetric.rsa
for each in pkgutil.walk_packages(runnerctl.core.__path__, "runnerctl.core."):
    if "migrations" not in each.name: importlib.import_module(each.name)
for each in ("orphans", "remove", "create", "reconcile", "status", "list", "render", "failures", "auditing", "main"):
    importlib.import_module(f"runnerctl.cli.{each}")
import runnerctl.core.store.migrations as migrations
for each in migrations.all_of_them(): each.script.read_text()
"""
_DROP = """
os.setgroups([]); os.setresgid({uid}, {uid}, {uid}); os.setresuid({uid}, {uid}, {uid})
"""
_COMMAND = """
from runnerctl.cli import main
sys.exit(main.run(sys.argv[1:]))
"""
_MAKE = """
from runnerctl import core
from runnerctl.core.engine.advance import advance
from runnerctl.core.engine.making import Making
from runnerctl.core.engine.table import Step
from runnerctl.core.settings import load
services = core.Services.open(load.load())
spec = core.RunnerSpec.of(name=sys.argv[1], scope=core.Scope.of(repo="acme/widgets"), labels="linux")
runner = services.store.admit(spec, root=services.root(spec.name))
making = Making(services, runner.id)
advance(services, runner.id, making=making, may=lambda _, act: act.step in {Step.FETCH_PACKAGE, Step.PROVISION})
print(runner.id)
os._exit(0)  # killed before it registered anything
"""


@dataclass(frozen=True, kw_only=True)
class Ordinary(Moved):
    """Its state directory is nobody's: a command of root's is nobody's too, and has root's rights beside that."""

    @classmethod
    def below(cls, top: Path, sandbox: Sandbox) -> Ordinary:
        host = cls(
            top=top,
            package_dir=top / "packages",
            github=sandbox.environment(),
            token=secrets.token_hex(16),
            moved={},
        )
        for path in (host.state_dir, host.base_dir, host.top / "packages"):
            path.mkdir(mode=0o755)
            os.chown(path, NOBODY, NOBODY)
        host.write_env_file()
        return host

    def make(self, name: str) -> Path:
        """A runner whose maker was killed when its directory was there; that directory."""
        self._run(_ALL + _DROP.format(uid=NOBODY) + _MAKE, name, check=True)
        return self.base_dir / name

    def manager(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """A command of the manager's own."""
        return self._run(_ALL + _DROP.format(uid=NOBODY) + _COMMAND, *argv)

    def root(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """The same by ``sudo``."""
        return self.cli(*argv)

    def orphans(self) -> list[dict[str, object]]:
        """Directories alone: of one whose maker was killed nobody knows whether GitHub has a registration."""
        items = json.loads(self.root("--output", "json", "orphans").stdout)["items"]
        return [orphan for orphan in items if orphan["kind"] == "directory"]

    def _run(self, code: str, *argv: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *argv],
            env={**self.environment(), **self.variables(), "RUNNERCTL_ENV_FILE": ""},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60 * SLOWNESS,
            check=check,
        )


@pytest.fixture
def ordinary(public: Path, sandbox: Sandbox) -> Ordinary:
    return Ordinary.below(public, sandbox)


def roots_own(directory: Path, *, files: int = 1) -> Path:
    """What a container leaves that ran as root: a directory that is not empty."""
    work = directory / "_work" / "widgets" / "widgets"
    work.mkdir(parents=True)
    for path in (work, *work.parents[:2]):
        os.chown(path, NOBODY, NOBODY)
    (work / "built").mkdir(mode=0o755)
    for number in range(files):
        (work / "built" / f"{number}").touch()
    return work / "built"


class Protected:
    """Files that nobody deletes, not even root, until that is taken off."""

    def __init__(self) -> None:
        self._made: list[Path] = []

    def put(self, directory: Path, *, beside: Path) -> Path:
        """With a name in ``directory`` and one ``beside`` it: it may be of a package."""
        beside.touch()
        inside = directory / "protected"
        inside.hardlink_to(beside)
        done = subprocess.run(["chattr", "+i", str(beside)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("needs root, and a file system with immutable files")
        self._made.append(beside)
        return inside

    def take_off(self) -> None:
        while self._made:
            with suppress(FileNotFoundError):
                subprocess.run(["chattr", "-i", str(self._made.pop())], check=True)


@pytest.fixture
def protected(as_root: None) -> Iterator[Protected]:
    made = Protected()
    yield made
    made.take_off()
