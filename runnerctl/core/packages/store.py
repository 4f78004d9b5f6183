"""Runner packages on this host: each version downloaded once, unpacked once, shared by all runners.

    <store>/2.336.0-linux-x64/                      the package, read-only
    <store>/.2.336.0-linux-x64.manifest.json        what its files were when it was unpacked
    <store>/.partial/2.336.0-linux-x64.RANDOM/      a fetch or removal under way, or what a crash left of one
    <store>/.partial/2.336.0-linux-x64.SHA.part     an archive's beginning: the next fetch goes on from there
    <store>/.locks/2.336.0-linux-x64.lock           held by whoever fetches or removes it
    <store>/.locks/2.336.0-linux-x64.links.lock     shared by those who link it, held by whoever removes it

A package appears by one rename, complete and verified, or not at all; it goes by one rename, too.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..domain.clock import Clock
from ..domain.errors import BackendFailed, GitHubUnavailable, RunnerctlError
from ..host.directories import check_directory, disk_errors
from ..host.locks import LockHeld, file_lock
from ..host.syscalls import sync_file_system
from ..host.trash import delete_tree
from ..http.settings import HttpSettings
from . import manifests
from .releases import LATEST, Release

if TYPE_CHECKING:
    from .download import Progress

_NAME = re.compile(r"(\d+\.\d+\.\d+)-(linux-[a-z0-9]+)", re.ASCII)
_LEFTOVER = re.compile(rf"({_NAME.pattern})\.", re.ASCII)
FETCH_SECONDS = 2400.0
"""As long as the slowest download may take, and its unpacking."""
REMOVAL_SECONDS = 60.0
"""As long as the removal of a package may take."""
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, kw_only=True)
class Package:
    """One unpacked release."""

    version: str
    platform: str
    path: Path


class PackageStore:
    """The packages below one directory. Safe for threads and for processes."""

    def __init__(self, directory: Path, *, http: HttpSettings, user_agent: str, clock: Clock) -> None:
        self._directory = directory
        self._http = http
        self._user_agent = user_agent
        self._clock = clock

    def ready(self, version: str, platform: str) -> Package | None:
        """The package if it is unpacked already: one look at the disk, no lock, no network."""
        path = self._directory / f"{version}-{platform}"
        if version == LATEST or not path.is_dir():
            return None
        return Package(version=version, platform=platform, path=path)

    def kept(self, version: str, platform: str) -> AbstractContextManager[None]:
        """Nobody removes that package meanwhile, be it here already or fetched only now. Many may keep it at once.

        Raises ``LockHeld`` at once while somebody removes it.
        """
        check_directory(self._directory)
        return file_lock(self._links_lock(f"{version}-{platform}"), wait=0, clock=self._clock, shared=True)

    def fetch(self, release: Release, *, progress: Progress | None = None, wait: float = FETCH_SECONDS) -> Package:
        """Download, verify and unpack a release unless it is here; several who ask at once download it once.

        ``wait``: so many seconds for somebody else who fetches or removes it; then it is ``LockHeld``.
        Raises ``GitHubUnavailable``, ``GitHubRefused``, ``PackageInvalid``, ``DiskFull`` or ``ConfigInvalid``. Of a
        failed fetch nothing stays but what an interrupted download can go on from; a package that was here is never
        touched.
        """
        package = self.ready(release.version, release.platform)
        if package is not None:
            return package
        check_directory(self._directory)
        name = f"{release.version}-{release.platform}"
        with self._lock(name, wait=wait):
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

    def inode(self, package: Package) -> int | None:
        """Which directory the package is now; a package that was removed and fetched again is another."""
        try:
            return package.path.stat().st_ino
        except OSError:
            return None

    def unpacked_at(self, package: Package) -> float | None:
        """When it was unpacked; None if that is not known any more."""
        return manifests.unpacked_at(self._directory, package.path.name)

    def changed(self, package: Package, *, contents: bool = False) -> Sequence[str]:
        """The files that are no longer what was unpacked (replaced, resized, written to, gone, or new), sorted.

        ``contents``: every byte is read, too, and compared with the sha256 of when it was unpacked.
        """
        recorded = self._recorded(package)
        present = manifests.facts(package.path)
        changed = {
            path for path in recorded.files.keys() | present.keys() if recorded.files.get(path) != present.get(path)
        }
        if contents:
            unsuspected = [path for path in present if path not in changed and path in recorded.contents]
            read = manifests.contents(package.path, unsuspected)
            changed |= {path for path in unsuspected if read[path] != recorded.contents[path]}
        return sorted(changed)

    def remove(self, package: Package, *, used: Callable[[], bool]) -> bool:
        """Take a package away unless it is ``used``, which is asked again when nobody can find the package any more.

        False, and the package is as it was, if it is used, kept or gone, or if somebody is at work on it.
        """
        with ExitStack() as held:
            try:
                held.enter_context(file_lock(self._links_lock(package.path.name), wait=0, clock=self._clock))
                held.enter_context(self._lock(package.path.name, wait=0))
            except LockHeld:
                return False
            if used() or self.inode(package) is None:
                return False
            return self._remove(package, used)

    def _remove(self, package: Package, used: Callable[[], bool]) -> bool:
        name = package.path.name
        with self._scratch(name) as scratch, disk_errors(package.path):
            package.path.rename(scratch / "tree")
            # Who linked it before the rename can be seen by now; who looks after it finds no package, or another.
            if used():
                (scratch / "tree").rename(package.path)
                return False
            self._manifest(name).unlink(missing_ok=True)
        return True

    def remove_leftovers(self, *, dry_run: bool = False) -> Sequence[Path]:
        """What crashes and interrupted downloads left, and nobody is at work on, removed. Says what it was."""
        removed = []
        for path in [*(self._directory / ".partial").glob("*"), *self._directory.glob(".*.manifest.json")]:
            named = _LEFTOVER.match(path.name.removeprefix("."))
            if named is None or self._is_manifest_of_package(path, named[1]):
                continue
            with suppress(LockHeld), self._lock(named[1], wait=0):
                # Looked at again: a fetch may have ended before the lock was ours.
                if os.path.lexists(path) and not self._is_manifest_of_package(path, named[1]):
                    removed.append(path)
                    if not dry_run:
                        delete_tree(path)
        return removed

    def _is_manifest_of_package(self, path: Path, name: str) -> bool:
        return path == self._manifest(name) and (self._directory / name).exists()

    def _lock(self, name: str, *, wait: float) -> AbstractContextManager[None]:
        return file_lock(self._directory / ".locks" / f"{name}.lock", wait=wait, clock=self._clock)

    def _links_lock(self, name: str) -> Path:
        return self._directory / ".locks" / f"{name}.links.lock"

    def _recorded(self, package: Package) -> manifests.Manifest:
        return manifests.read(self._manifest(package.path.name))

    def _fetch(self, name: str, release: Release, progress: Progress | None) -> Package:
        # Only here: a create that finds its package must not pay for tarfile and hashlib.
        from . import unpack as archives

        archive = self._directory / ".partial" / f"{name}.{release.sha256[:16]}.part"
        with self._scratch(name, keep=archive) as scratch:
            tree = scratch / "tree"
            with self._kept_if_interrupted(archive):
                self._download(release, archive, progress)
            try:
                with disk_errors(tree):
                    tree.mkdir()
                    tree.chmod(0o755)
                archives.unpack(archive, tree)
            finally:
                archive.unlink(missing_ok=True)
            with disk_errors(tree):
                self._publish(name, tree)
        return Package(version=release.version, platform=release.platform, path=self._directory / name)

    def _download(self, release: Release, archive: Path, progress: Progress | None) -> None:
        from ..http.client import HttpClient
        from .download import download

        http = HttpClient(self._http, user_agent=self._user_agent)
        download(release, archive, http=http, progress=progress)

    @contextmanager
    def _kept_if_interrupted(self, archive: Path) -> Iterator[None]:
        """A failed download stays only if going on from there may help."""
        try:
            yield
        except BaseException as exc:
            wrong = isinstance(exc, RunnerctlError) and not isinstance(exc, GitHubUnavailable)
            if archive.exists() and (wrong or archive.stat().st_size == 0):
                archive.unlink()
            raise

    def _publish(self, name: str, tree: Path) -> None:
        _make_read_only(tree)
        # Inodes and times survive the rename below, so the manifest can be there first.
        manifest = tree.parent / "manifest"
        manifests.write(manifest, tree)
        now = self._clock.now()
        os.utime(manifest, (now, now))
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
    def _scratch(self, name: str, *, keep: Path | None = None) -> Iterator[Path]:
        """A directory on the store's file system. Whoever holds the lock owns all that bear the name: leftovers go."""
        partial = self._directory / ".partial"
        with disk_errors(partial):
            partial.mkdir(mode=0o700, exist_ok=True)
            for leftover in partial.glob(f"{name}.*"):
                if leftover != keep:
                    delete_tree(leftover)
            scratch = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=partial))
        try:
            yield scratch
        finally:
            with suppress(BackendFailed):  # the next fetch tries again
                delete_tree(scratch)

    def _manifest(self, name: str) -> Path:
        return manifests.path_of(self._directory, name)


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
