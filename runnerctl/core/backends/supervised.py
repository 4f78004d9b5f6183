"""What runners of this host have in common, whoever runs them: a directory of their own, an identity in it, a run
directory with a record that a supervisor keeps, a log.

``process`` and ``systemd`` are built on it, side by side.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runnerctl.supervisor import own_files

from ..domain.errors import BackendFailed, RunnerctlError, RunnerExists
from ..domain.observation import Observation
from ..host.directories import check_directory, disk_errors
from . import config_log, config_sh, diagnostics, directory, identity, marks, run_directory
from .base import Accepted, Backend, ConfigSh, Configured, DeleteAsRoot, Found, Jit, Left, Provision, StopLadder
from .launch_document import LaunchOptions, is_shortened
from .leases import Leases
from .place import Place, place_of
from .records import Records

if TYPE_CHECKING:
    from ..packages.store import Package


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SupervisedBackend(Backend):
    """``runs_dir`` holds one run directory per runner; it belongs to the manager, mode 0700."""

    runs_dir: Path
    base_dir: Path
    """Where new runners' directories are now; those of older settings are in the handles."""
    options: LaunchOptions
    now: Callable[[], float]
    _leases: Leases = field(default_factory=Leases)

    @property
    def ladder(self) -> StopLadder:
        return self.options.ladder

    def run_dir(self, runner_id: str) -> Path:
        return self.runs_dir / runner_id

    def in_progress(self) -> dict[str, Any]:
        return {"_leases": self._leases}

    # -- before there is a runner

    def check_free(self, name: str, base_dir: Path) -> None:
        check_directory(base_dir)
        path = base_dir / name
        if directory.is_taken(path):
            raise RunnerExists(
                f"{str(path)!r} already exists and was not created by runnerctl",
                hint="Choose another name, or move that path away",
            )

    # -- making one

    def provision(self, spec: Provision) -> str:
        assert spec.package is not None, spec  # noqa: S101 - `Capabilities.package` asks for one
        check_directory(spec.base_dir)
        self.run_dir(spec.runner_id).mkdir(mode=0o700, parents=True, exist_ok=True)
        root = directory.published(spec.base_dir, spec.name, spec.runner_id) or self._build(spec, spec.package)
        return self._place(spec, root).handle

    def _build(self, spec: Provision, package: Package) -> directory.Root:
        log_link, pid_link = self._links(spec.runner_id)
        built = directory.build(
            spec.base_dir,
            runner_id=spec.runner_id,
            name=spec.name,
            package=package,
            log_link=log_link,
            pid_link=pid_link,
            owner=spec.user,
            backend=self.name,
        )
        return directory.publish(built, spec.name)

    def _place(self, spec: Provision, root: directory.Root) -> Place:
        return Place(
            backend=self.name,
            runner_id=spec.runner_id,
            name=spec.name,
            root=root.path,
            inode=root.inode,
            ephemeral=spec.ephemeral,
            user=spec.user,
            env=spec.env,
        )

    @abstractmethod
    def _links(self, runner_id: str) -> tuple[Path, Path]:
        """Where its log and its pid file are while it runs: its directory links there."""

    def upgrade(self, handle: str, package: Package) -> str:
        place = place_of(handle)
        directory.change_package(place.root, place.inode, package, runner_id=place.runner_id)
        return handle

    def accept(self, handle: str, identity_: Jit | ConfigSh) -> Accepted:
        place = place_of(handle)
        directory.check_ours(place.root, place.inode, place.runner_id)
        if isinstance(identity_, Jit):
            identity.write_identity(place.root, identity_.encoded, owner=place.user)
            return Accepted(handle, identity.agent_id(place.root))
        identity.forget(place.root)  # config.sh refuses where there is one
        with disk_errors(place.root):
            own_files.clear(str(place.root))  # it reads them, and a job may have written them
        configured = self._configure(place, identity_)
        log = self.run_dir(place.runner_id) / "runner.log"
        config_log.keep(log, configured.output, secret=identity_.token, now=self.now())
        if configured.status is None:
            raise config_sh.out_of_time(place.name, configured.seconds or identity_.seconds)
        github_id = identity.of_config_sh(place.root) if configured.status == 0 else None
        return Accepted(handle, github_id, configured)

    @abstractmethod
    def _configure(self, place: Place, asked: ConfigSh) -> Configured:
        """Runs ``config.sh`` where the runner's Listener will run and as whom it will; returns when it has ended."""

    def _prepare_root(self, place: Place, owner: tuple[int, int] | None) -> None:
        """Before anything is started in it. ``owner`` is whose the job's directories are until then; None: ours."""
        directory.restore_own_directories(place.root, owner)
        if is_shortened(place):
            directory.shorten(place.root, place.short_root)

    def accepted(self, handle: str) -> int | bool | None:
        place = place_of(handle)
        try:
            if not directory.is_ours(place.root, place.inode, place.runner_id):
                return None
            if identity.is_missing(place.root):
                return False
        except OSError as exc:
            raise BackendFailed(f"The directory of runner {place.name!r} could not be read: {exc.strerror}") from exc
        return identity.agent_id(place.root) or True

    # -- running it

    @cached_property
    def _records(self) -> Records:
        """Of what was started by us, and the last words of all."""
        return Records(str(self.runs_dir), now=self.now)

    def _with_traces(self, place: Place, seen: Observation) -> Observation:
        """Of one that ended without a word, a Worker's own log tells whether it had a job."""
        died = seen.gone and not seen.ended and seen.phase is not None
        if not died or seen.jobs_run:
            return seen
        try:
            return seen._replace(jobs_run=1) if identity.has_worked(place.root) else seen
        except OSError as exc:
            raise BackendFailed(f"The traces of runner {place.name!r} could not be read: {exc.strerror}") from exc

    def leased(self) -> tuple[str, ...]:
        return self._leases.ids()

    def release(self, handle: str) -> None:
        self._leases.release(place_of(handle).runner_id)

    # -- clearing it away

    def cleanup(self, handle: str) -> Sequence[Left]:
        place = place_of(handle)
        self._leases.release(place.runner_id)
        if self.observe(handle).running is not False:
            return [Left(f"Runner {place.name!r} still has processes, or may have: nothing was deleted")]
        left = [*_left(lambda: self._clear_traces(place)), *_discarded(place)]
        if all(each.path is not None for each in left):
            # Until then what is in there is wanted for another try.
            left += _left(lambda: run_directory.clear(self.run_dir(place.runner_id)))
            self._forget(place.runner_id)
        return left

    def _clear_traces(self, place: Place) -> None:
        """What its jobs left outside its directory, for who gives their user to another runner."""

    def taken_over(self, handle: str) -> str:
        place = place_of(handle)
        mark = marks.read(place.root)
        if mark is None or mark.runner_id != place.runner_id:
            return handle
        found = place.root.stat()
        return place._replace(inode=(found.st_dev, found.st_ino)).handle

    def forget_identity(self, handle: str) -> None:
        place = place_of(handle)
        mark = marks.read(place.root)
        if mark is not None and mark.runner_id == place.runner_id:
            identity.forget(place.root)

    def clear_as_root(self, handle: str, delete: DeleteAsRoot) -> None:
        place = place_of(handle)
        if (path := _remains(place)) is not None:
            delete(path, place.inode, place.runner_id)

    def _forget(self, runner_id: str) -> None:
        """Nothing of it need be remembered by this process."""
        self._records.forget(runner_id)

    def discover(self) -> Iterable[Found]:
        found = {path.name: self._by_run_dir(path) for path in run_directory.each(self.runs_dir) if self._ran(path)}
        for path, mark in _marked(self.base_dir):
            if mark.backend == self.name and found.get(mark.runner_id) is None:
                found[mark.runner_id] = self._unknown(mark.runner_id, path)
        return [Found(runner_id, place.handle) for runner_id, place in found.items() if place is not None]

    def _ran(self, run_dir: Path) -> bool:
        """That run directory is of a runner of this backend, and its life has not ended."""
        return self._is_mine(run_dir) and (run_dir / self._asked_by).exists()

    _asked_by = "launch.json"

    @abstractmethod
    def _is_mine(self, run_dir: Path) -> bool: ...

    def _by_run_dir(self, run_dir: Path) -> Place | None:
        told = run_directory.read(run_dir / self._asked_by)
        if not isinstance(told.get("root"), str):
            return None
        user = told.get("user")
        pair = None if user is None else (int(user["uid"]), int(user["gid"]))
        return self._unknown(run_dir.name, Path(told["root"]))._replace(
            ephemeral=told.get("ephemeral") is True, user=pair
        )

    def _unknown(self, runner_id: str, root: Path) -> Place:
        return Place(
            backend=self.name,
            runner_id=runner_id,
            name=root.name,
            root=root,
            inode=None,
            ephemeral=True,
            user=None,
        )

    def tidy(self, handle: str, *, before: float) -> int:
        return diagnostics.prune(place_of(handle), before=before)

    def logged(self) -> Iterator[tuple[str, float]]:
        for path in run_directory.each(self.runs_dir):
            with suppress(FileNotFoundError):
                changed_at = path.lstat().st_mtime
                if self._is_mine(path):
                    yield path.name, changed_at

    def forget(self, runner_id: str) -> bool:
        from ..host.trash import delete_tree

        path = self.run_dir(runner_id)
        if not os.path.lexists(path):
            return False
        with suppress(BackendFailed):
            delete_tree(path)
            return True
        return False


def _left(act: Callable[[], object]) -> Iterator[Left]:
    try:
        act()
    except RunnerctlError as exc:
        yield Left(exc.message, exc.hint)
    except OSError as exc:
        yield Left(f"{exc.filename!r} is not deleted: {exc.strerror}")


def _discarded(place: Place) -> Iterator[Left]:
    for left in _left(lambda: _discard(place)):
        path = _remains(place)
        yield left if path is None else left._replace(path=str(path))


def _discard(place: Place) -> None:
    directory.discard(place.root.parent, root=place.root, inode=place.inode, runner_id=place.runner_id)


def _remains(place: Place) -> Path | None:
    return directory.remains(place.root.parent, root=place.root, inode=place.inode, runner_id=place.runner_id)


def _marked(base_dir: Path) -> Iterator[tuple[Path, marks.Mark]]:
    """Published or not, also what is on its way out."""
    for parent in (base_dir, base_dir / directory.TRASH):
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in parent.iterdir():
                if (mark := marks.read(path)) is not None:
                    yield path, mark
