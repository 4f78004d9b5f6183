"""The file in which installation tokens outlive a command, shared by threads, ``serve`` and later commands.

It is a cache: a file that is missing, damaged, somebody else's or readable by others is treated as empty and replaced.
It never holds the App's key, a JWT or a personal access token.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from ..domain.clock import Clock

log = logging.getLogger(__name__)

MAX_SIZE = 8 * 1024 * 1024
VISIBILITY_SECONDS = 3600.0
"""How long it is remembered whether a repository is public."""
LOCK_PATIENCE = 20.0
"""Seconds to wait for another process's call; a stopped one must not stop us. Then a second token is made."""


@dataclass(frozen=True, kw_only=True)
class Token:
    text: str = field(repr=False)
    usable_until: float
    """By our clock, the margin before GitHub's own expiry taken off."""


@dataclass(frozen=True, kw_only=True)
class GroupId:
    id: int
    known_until: float


@dataclass(frozen=True, kw_only=True)
class Visibility:
    public: bool
    asked_at: float

    def fresh(self, now: float, max_age: float = VISIBILITY_SECONDS) -> bool:
        """Not one from the future: the clock was set back since."""
        return 0 <= now - self.asked_at < max_age


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What is remembered, by keys that name the API, the App and the installation, scope or group."""

    installations: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    groups: dict[str, GroupId] = field(default_factory=dict)
    repositories: dict[str, Visibility] = field(default_factory=dict)

    def fresh(self, now: float) -> Contents:
        """Without what has run out."""
        return replace(
            self,
            tokens={key: token for key, token in self.tokens.items() if token.usable_until > now},
            groups={key: group for key, group in self.groups.items() if group.known_until > now},
            repositories={key: seen for key, seen in self.repositories.items() if seen.fresh(now)},
        )


class TokenFile:
    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def read(self) -> Contents | None:
        """None unless the file is whole, ours and private."""
        try:
            # Not through a link, and not stuck in opening a FIFO.
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with os.fdopen(fd, "rb") as file:
            if not _is_private(os.fstat(fd)):
                log.warning("token cache ignored: not a private file of ours", extra={"path": str(self._path)})
                return None
            try:
                return msgspec.json.decode(file.read(MAX_SIZE), type=Contents)
            except (msgspec.DecodeError, OSError):
                return None

    def write(self, contents: Contents) -> None:
        """Replaces the file at once. Failing to is no failure: the next command asks GitHub again."""
        try:
            fd, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        except OSError as exc:
            log.warning("token cache not written", extra={"path": str(self._path), "reason": exc.strerror})
            return
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(msgspec.json.encode(contents.fresh(self._clock.now())))
            Path(temporary).replace(self._path)
        except OSError as exc:
            log.warning("token cache not written", extra={"path": str(self._path), "reason": exc.strerror})
            Path(temporary).unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Between processes and threads. A file of its own: the cache is replaced, and a lock on it would go too."""
        try:
            fd = os.open(
                self._path.with_name(f"{self._path.name}.lock"),
                os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK,
                0o600,
            )
        except OSError:
            yield
            return
        try:
            self._take(fd)
            yield
        finally:
            os.close(fd)

    def _take(self, fd: int) -> None:
        deadline = self._clock.monotonic() + LOCK_PATIENCE
        while self._clock.monotonic() < deadline:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._clock.sleep(0.02)
            else:
                return
        log.warning("token cache lock not had in time", extra={"path": str(self._path)})


def _is_private(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
