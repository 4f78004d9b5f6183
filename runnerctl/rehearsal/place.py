"""The directories of a rehearsal: in the operator's base directory, and all gone at the end.

<base_dir>/.rehearsal-ID/lock         held as long as the rehearsal goes on
<base_dir>/.rehearsal-ID/state/       the state directory, 0700; beside the runners, so that it is kept from jobs
<base_dir>/.rehearsal-ID/packages/    the package store, where the package is not in the operator's own
<base_dir>/rehearse-ID-…/             the runners' roots
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from runnerctl.core import Settings, check_directory, disk_errors, file_lock, trash
from runnerctl.core.domain.errors import RunnerctlError

_TRASH, _HOOKS = ".trash", ".hooks"
_PREFIX = ".rehearsal-"


class Place:
    def __init__(self, settings: Settings, mark: str) -> None:
        self._base_dir = settings.base_dir
        self._store = settings.package_dir
        self.mark = mark
        self.top = settings.base_dir / f"{_PREFIX}{mark}"
        beside = settings.package_dir.is_relative_to(settings.base_dir)
        self.packages = self.top / "packages" if beside else settings.package_dir / f"{_PREFIX}{mark}"
        self._missing: list[Path] = []
        self._hooks: frozenset[str] = frozenset()

    @classmethod
    def left_behind(cls, settings: Settings) -> Iterator[Place]:
        """Of rehearsals that were killed, or that are under way: these hold theirs."""
        for path in sorted(settings.base_dir.glob(f"{_PREFIX}*")):
            yield cls(settings, path.name.removeprefix(_PREFIX))

    def held(self) -> AbstractContextManager[None]:
        """Raises ``LockHeld`` while another process has it."""
        return file_lock(self.top / "lock", wait=0)

    @property
    def state(self) -> Path:
        return self.top / "state"

    def make(self) -> None:
        """Raises ``ConfigInvalid``."""
        self._missing = [*_missing(self._base_dir / _TRASH), *_missing(self.packages.parent)]
        self._hooks = _names(self._store / _HOOKS)
        for path in (self.top, self.packages):
            check_directory(path)
        with disk_errors(self.state):
            self.state.mkdir(mode=0o700)

    def link_runs(self, state_dir: Path, *, units: bool) -> None:
        """Units are told by their template where the manager puts what it asks of them: in the operator's directory."""
        if units:
            (self.state / "runners").symlink_to(state_dir / "runners")

    def clear(self, *, hooks: bool) -> Iterator[str]:
        """A sentence for each that stays, with what clears it. ``hooks``: also scripts that were made in the store."""
        for path in (self.top, self.packages):
            try:
                trash.delete_tree(path)
            except RunnerctlError as exc:
                yield f"{exc.message}. Delete it: rm -r {path}"
        made = _names(self._store / _HOOKS) - self._hooks if hooks else ()
        for name in made:
            (self._store / _HOOKS / name).unlink(missing_ok=True)
        for path in (*((self._store / _HOOKS,) if made else ()), *self._missing):
            with suppress(OSError):  # others have put something there
                path.rmdir()


def _missing(path: Path) -> Iterator[Path]:
    """What would have to be made, the innermost first."""
    while not os.path.lexists(path):
        yield path
        path = path.parent


def _names(path: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(path))  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return frozenset()
