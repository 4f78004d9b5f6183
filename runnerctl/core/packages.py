"""Runner packages on this host: each version downloaded once, unpacked once, shared by all runners.

    <store>/2.336.0-linux-x64/                      the package, read-only
    <store>/.2.336.0-linux-x64.manifest.json        what its files were when it was unpacked
    <store>/.partial/2.336.0-linux-x64.RANDOM/      a fetch under way, or what a crash left of one
    <store>/.locks/2.336.0-linux-x64.lock           held by whoever fetches it

A package appears by one rename, complete and verified, or not at all.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .clock import Clock
from .directories import check_directory, disk_errors
from .errors import BackendFailed
from .locks import file_lock
from .releases import LATEST, Release
from .syscalls import sync_file_system
from .trash import delete_tree

if TYPE_CHECKING:
    from .downloads import Progress

_NAME = re.compile(r"(\d+\.\d+\.\d+)-(linux-[a-z0-9]+)", re.ASCII)
_FETCH_SECONDS = 2400.0
"""As long as the slowest download may take, and its unpacking."""
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, kw_only=True)
class Package:
    """One unpacked release."""

    version: str
    platform: str
    path: Path


class PackageStore:
    """The packages below one directory. Safe for threads and for processes."""

    def __init__(self, directory: Path, *, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def ready(self, version: str, platform: str) -> Package | None:
        """The package if it is unpacked already: one look at the disk, no lock, no network."""
        path = self._directory / f"{version}-{platform}"
        if version == LATEST or not path.is_dir():
            return None
        return Package(version=version, platform=platform, path=path)

    def obtain(
        self, version: str, platform: str, *, resolve: Callable[[], Release], progress: Progress | None = None
    ) -> Package:
        """The package, fetched if it must be; GitHub is not asked about a version that is here."""
        package = self.ready(version, platform)
        return package if package is not None else self.fetch(resolve(), progress=progress)

    def fetch(self, release: Release, *, progress: Progress | None = None) -> Package:
        """Download, verify and unpack a release unless it is here; several who ask at once download it once.

        Raises ``GitHubUnavailable``, ``GitHubRefused``, ``PackageInvalid``, ``DiskFull`` or ``ConfigInvalid``; nothing
        of a failed fetch stays, and a package that was here is never touched.
        """
        package = self.ready(release.version, release.platform)
        if package is not None:
            return package
        check_directory(self._directory)
        name = f"{release.version}-{release.platform}"
        with file_lock(self._directory / ".locks" / f"{name}.lock", wait=_FETCH_SECONDS, clock=self._clock):
            package = self.ready(release.version, release.platform)
            return package if package is not None else self._fetch(name, release, progress)

    def list(self) -> Sequence[Package]:
        """Every unpacked package, oldest version first."""
        try:
            names = [_NAME.fullmatch(entry.name) for entry in self._directory.iterdir()]
        except FileNotFoundError:
            return []
        found = [self.ready(name[1], name[2]) for name in names if name]
        return sorted((package for package in found if package), key=_by_version)

    def changed(self, package: Package) -> Sequence[str]:
        """The files that are no longer what was unpacked (replaced, resized, written to, gone, or new), sorted."""
        try:
            recorded = json.loads(self._manifest(package.path.name).read_bytes())["files"]
        except (OSError, ValueError, KeyError, TypeError):
            recorded = {}
        present = _facts(package.path)
        return sorted(path for path in recorded.keys() | present.keys() if recorded.get(path) != present.get(path))

    def _fetch(self, name: str, release: Release, progress: Progress | None) -> Package:
        # Only here: a create that finds its package must not pay for tarfile and hashlib.
        from . import archives
        from .downloads import download

        with self._scratch(name) as scratch:
            archive, tree = scratch / release.filename, scratch / "tree"
            download(release, archive, clock=self._clock, progress=progress)
            with disk_errors(tree):
                tree.mkdir()
                tree.chmod(0o755)
            archives.unpack(archive, tree)
            with disk_errors(tree):
                self._publish(name, tree)
        return Package(version=release.version, platform=release.platform, path=self._directory / name)

    def _publish(self, name: str, tree: Path) -> None:
        _make_read_only(tree)
        # Inodes and times survive the rename below, so the manifest can be there first.
        manifest = tree.parent / "manifest"
        manifest.write_text(json.dumps({"files": _facts(tree)}))
        manifest.replace(self._manifest(name))
        # A power cut after the rename must not leave a package of empty files.
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            sync_file_system(descriptor)
            tree.rename(self._directory / name)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _scratch(self, name: str) -> Iterator[Path]:
        """A directory on the store's file system. Whoever holds the lock owns all that bear the name: leftovers go."""
        partial = self._directory / ".partial"
        with disk_errors(partial):
            partial.mkdir(mode=0o700, exist_ok=True)
            for leftover in partial.glob(f"{name}.*"):
                delete_tree(leftover)
            scratch = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=partial))
        try:
            yield scratch
        finally:
            with suppress(BackendFailed):  # the next fetch tries again
                delete_tree(scratch)

    def _manifest(self, name: str) -> Path:
        return self._directory / f".{name}.manifest.json"


def _by_version(package: Package) -> tuple[list[int], str]:
    return [int(part) for part in package.version.split(".")], package.platform


def _make_read_only(tree: Path) -> None:
    """All but the tree's own directory: who is not root must be able to rename that one."""
    for directory, _, files in os.walk(tree, topdown=False):
        for file in files:
            path = Path(directory, file)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~_WRITABLE)
        if directory != str(tree):
            Path(directory).chmod(0o555)


def _facts(tree: Path) -> dict[str, list[int]]:
    """(inode, size, mtime) of every file; not ctime, which each runner's hard link changes."""
    facts = {}
    for directory, _, files in os.walk(tree):
        for file in files:
            path = os.path.join(directory, file)  # noqa: PTH118 — ten thousand files: Path costs more than lstat
            found = os.lstat(path)
            facts[os.path.relpath(path, tree)] = [found.st_ino, found.st_size, found.st_mtime_ns]
    return facts
