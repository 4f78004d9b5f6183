"""A booted host on which an earlier commit is installed, and then this one over it, as their guide installs them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.hosts.booted import VENV, Booted, installation
from tests.support.places import REPOSITORY

OLD, NEW = "/opt/packages/old", "/opt/packages/new"
"""Directories of wheels: the host has no network."""
GITHUB = Path("/opt/github")
"""An installation of its own, which no upgrade touches, for the GitHub of that host."""


def binds(top: Path, commit: str) -> dict[Path, str]:
    """What such a host needs of ours; packages are built here, with what they depend on."""
    sources = {OLD: _checkout(commit, top / "old"), NEW: _working_tree(top / "new")}
    wheels = {_wheels(source, top / f"{source.name}-wheels"): place for place, source in sources.items()}
    return {**installation(top, place=GITHUB), **wheels}


def _checkout(commit: str, into: Path) -> Path:
    into.mkdir()
    archive = into.with_suffix(".tar")
    subprocess.run(["git", "-C", str(REPOSITORY), "archive", "--output", str(archive), commit], check=True)
    shutil.unpack_archive(archive, into, filter="data")
    return into


def _working_tree(into: Path) -> Path:
    """With what is not yet committed, without what is ignored. A copy: a build leaves files beside the sources."""
    listing = ["git", "-C", str(REPOSITORY), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split("\0"):
        if (REPOSITORY / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, into / name)
    return into


def _wheels(source: Path, into: Path) -> Path:
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check")
    done = subprocess.run([*pip, "--wheel-dir", str(into), str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return into


@dataclass(frozen=True, kw_only=True)
class Packages:
    """The virtual environment of the guide."""

    inside: Booted

    def install_old(self) -> None:
        self._python(f"{GITHUB}/bin/python", "-m", "venv", str(VENV))
        self._install(OLD)

    def replace_by_new(self) -> None:
        """As ``pip install .`` does: both call themselves by the same version, between two releases."""
        self._install(NEW, "--force-reinstall", "--no-deps")
        self._install(NEW)  # what the new one needs and the old one did not

    def _install(self, wheels: str, *more: str) -> None:
        pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--find-links", wheels)
        self._python(f"{VENV}/bin/python", *pip, *more, "runnerctl")

    def _python(self, *argv: str) -> None:
        done = self.inside.run(*argv, timeout=180)
        assert done.returncode == 0, done.stdout + done.stderr
