"""Hosts that cannot be used: seen by somebody else, moved, or full."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from runnerctl.sandbox import Sandbox
from tests.conftest import NEEDS_ROOT
from tests.support.front_ends.refusing import (
    TIMEOUT,
    Told,
)
from tests.support.hosts.host import Host

NOBODY = 65534


# --- Directories that cannot be used ---


@contextmanager
def tmpfs(path: Path, options: str) -> Iterator[None]:
    """A small disk, or one that cannot be written; gone afterwards, whatever happened on it."""
    path.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip(NEEDS_ROOT)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"{NEEDS_ROOT} that may mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(directory: Path, *, but_pages: int = 0) -> None:
    """Takes the disk's space, but for so many pages of 4 KiB."""
    ballast = directory / ".ballast"
    ballast.unlink(missing_ok=True)
    disk = os.statvfs(directory)
    with ballast.open("wb") as file:
        file.write(b"\0" * ((disk.f_bavail - but_pages) * disk.f_bsize))


@dataclass(frozen=True, kw_only=True)
class Moved(Host):
    """A host with some of its directories elsewhere."""

    moved: Mapping[str, Path]

    @classmethod
    def at(cls, top: Path, sandbox: Sandbox, moved: Mapping[str, Path]) -> Moved:
        host = cls(
            top=top,
            package_dir=moved.get("package_dir", top / "packages"),
            github=sandbox.environment(),
            token=secrets.token_hex(16),
            moved=moved,
        )
        host.write_env_file(RUNNERCTL_GITHUB_TIMEOUT=TIMEOUT)
        return host

    @property
    def state_dir(self) -> Path:
        return self.moved.get("state_dir", self.top / "state")

    @property
    def base_dir(self) -> Path:
        return self.moved.get("base_dir", self.top / "runners")


# --- Other users ---

_AS_NOBODY = """
import os, sys
from runnerctl.cli import create, doctor, failures, main, config, checks, render
from runnerctl.core.settings import credentials, load, files
from runnerctl.core import services
from runnerctl.core.host import state_directory
from runnerctl.core.store import runners as store
from runnerctl.core.github import auth, client, config
import runnerctl.core.engine.operations.create, runnerctl.core.packages.store, encodings.idna, difflib, dotenv.main
import runnerctl.core.checks, runnerctl.core.engine.github_side.config_sh, runnerctl.install.upkeep
import runnerctl.core.engine.github_side.breaker
import encodings.ascii, cryptography.hazmat.primitives.serialization, cryptography.hazmat.primitives.asymmetric.rsa
os.setgroups([])
os.setresgid({nobody}, {nobody}, {nobody})
os.setresuid({nobody}, {nobody}, {nobody})
sys.exit(main.run(sys.argv[1:]))
"""


@pytest.fixture
def public(as_root: None) -> Iterator[Path]:
    """A directory that every user may pass, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def as_nobody(host: Host, *argv: str) -> Told:
    """By another user. What it needs is imported before, as root's interpreter may be closed to others."""
    code = _AS_NOBODY.format(nobody=NOBODY)
    variables = {**host.variables(), "RUNNERCTL_ENV_FILE": ""}
    return Told.by_command(
        subprocess.run(
            [sys.executable, "-c", code, "--output", "json", *argv],
            env={**host.environment(), **variables},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    )
