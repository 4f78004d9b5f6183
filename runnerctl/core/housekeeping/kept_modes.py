"""Modes of what is ours are looked at again and again: a job of our own user may have opened them to others, where
nothing could keep it from that.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..settings.load import Settings
from ..settings.readable_secrets import secret_files

_OTHERS = 0o077


class KeptModes:
    """What others may do is what they might when it was seen first, or less. New settings begin anew."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._known: dict[Path, int] = {}

    def restore(self, settings: Settings) -> list[str]:
        """A sentence for each that was opened since, and is as before again."""
        if settings is not self._settings:
            self._settings, self._known = settings, {}
        paths = dict.fromkeys(_ours(settings))
        return [told for path in paths if (told := self._restore(path)) is not None]

    def _restore(self, path: Path) -> str | None:
        try:
            seen = path.lstat()
            if seen.st_uid != os.geteuid() or stat.S_ISLNK(seen.st_mode):
                return None
            mode = stat.S_IMODE(seen.st_mode)
            known = self._known.setdefault(path, mode)
            if not mode & ~known & _OTHERS:
                self._known[path] = mode
                return None
            path.chmod(known)
        except OSError:
            return None  # it has gone, or comes and goes
        return (
            f"the mode of {str(path)!r} was changed from {known:04o} to {mode:04o}, and is {known:04o} again:"
            " perhaps it was a job. Who could read it meanwhile is not known: replace the secrets in it"
        )


def _ours(settings: Settings) -> Iterator[Path]:
    state = settings.state_dir
    yield state
    yield from (state / name for name in ("runnerctl.db", "runnerctl.db-wal", "tokens", "audit.log"))
    for path in map(Path.absolute, secret_files(settings)):
        yield path
        yield path.parent  # who may write there puts another file in its place
    yield state.parent
    yield settings.base_dir
