"""Who follows a log is told by the kernel when something is added to it: one watch a log, whoever many follow it.

Where the kernel gives no more watches (``fs.inotify.max_user_watches``), they look for themselves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inotify_simple import Event, INotify, flags  # type: ignore[import-untyped]  # they have no types

log = logging.getLogger("runnerctl.server")

_ADDED = flags.MODIFY | flags.CREATE | flags.MOVED_TO | flags.ONLYDIR

Notify = Callable[[], None]


class LogWatch:
    """For the loop's thread alone. The directory is watched, for the file is another one after a rotation."""

    def __init__(self) -> None:
        self._inotify: INotify | None = None
        self._said = False
        self._followers: dict[int, tuple[str, dict[object, Notify]]] = {}
        """By watch: the file's name, and who is told."""

    @contextmanager
    def watched(self, path: Path, notify: Notify) -> Iterator[bool]:
        """Calls it whenever that file may have grown; gives whether that can be relied on."""
        watch = self._add(path.parent)
        if watch is None:
            yield False
            return
        mine = object()
        _, followers = self._followers.setdefault(watch, (path.name, {}))
        followers[mine] = notify
        try:
            yield True
        finally:
            del followers[mine]
            if not followers and self._followers.pop(watch, None) is not None:
                self._remove(watch)

    def close(self) -> None:
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fileno())
            self._inotify.close()
            self._inotify = None

    def _add(self, directory: Path) -> int | None:
        try:
            if self._inotify is None:
                self._inotify = INotify(nonblocking=True)
                asyncio.get_running_loop().add_reader(self._inotify.fileno(), self._read)
            return int(self._inotify.add_watch(directory, _ADDED))  # the same again for the same directory
        except FileNotFoundError:
            return None  # it is just being made
        except OSError as exc:
            if not self._said:
                log.warning("logs cannot be watched, so they are looked at four times a second: %s", exc.strerror)
            self._said = True
            return None

    def _remove(self, watch: int) -> None:
        if self._inotify is not None:
            try:
                self._inotify.rm_watch(watch)
            except OSError:
                return  # the directory is gone, and its watch with it

    def _read(self) -> None:
        assert self._inotify is not None  # noqa: S101 - it is what is read
        for event in self._inotify.read(timeout=0):
            if event.mask & flags.Q_OVERFLOW:
                for watch in tuple(self._followers):
                    self._tell(watch)
            elif event.mask & flags.IGNORED or self._is_followed(event):
                self._tell(event.wd)

    def _is_followed(self, event: Event) -> bool:
        return event.wd in self._followers and event.name == self._followers[event.wd][0]

    def _tell(self, watch: int) -> None:
        if watch in self._followers:
            for notify in tuple(self._followers[watch][1].values()):
                notify()
