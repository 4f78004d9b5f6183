"""What jobs that run as ourselves are kept from: by Landlock, and by a mount namespace where one is to be had."""

from __future__ import annotations

import os

import landlock
import sealing

NO_LANDLOCK = (
    "This kernel has no Landlock: jobs can read and change what runnerctl's user can, runnerctl's own code too"
)
NO_NAMESPACE = (
    "Jobs can change the modes of runnerctl's files and use its user's sockets: they cannot have a mount namespace ({})"
)
_MOST_ENTRIES = 256
"""Of a directory that is to stay as it is while what is in it may change: each is a mount."""
TOO_MANY = f"Jobs can change the mode of {{!r}}, which has more than {_MOST_ENTRIES} entries"


def weakness(place: str) -> str | None:
    """What no job can be kept from here, in words; tried on the directory ``place``. Raises ``OSError`` where that is
    not known now.
    """
    if landlock.version() < 1:
        return NO_LANDLOCK
    why = sealing.refusal(place)
    return None if why is None else NO_NAMESPACE.format(why)


class Confinement:
    """``hidden`` paths, which are ours, are out of reach, and so are ``closed`` ones, which are our user's, but for
    what is ``allowed`` of those: a path, and whether it may be changed. ``code`` is read and run, and never changed; so
    is what is ``shared``. ``home`` is the runner's root, which is all its own, and ``links`` lead there.
    """

    __slots__ = ("_allowed", "_closed", "_code", "_hidden", "_home", "_links", "_shared")

    def __init__(
        self,
        *,
        hidden: list[str],
        home: str,
        shared: str,
        closed: list[str] | None = None,
        code: list[str] | None = None,
        allowed: list[tuple[str, bool]] | None = None,
        links: list[str] | None = None,
    ) -> None:
        self._hidden = _real(hidden)
        self._closed = _real(closed or [])
        self._code = code or []
        self._allowed = [(os.path.realpath(path), may_change) for path, may_change in allowed or []]
        self._home = home
        self._shared = shared
        self._links = links or []

    def enter(self) -> str | None:
        """For good, in a child that is about to exec. What it cannot keep a job from here, in words; None: nothing.

        Raises ``OSError``.
        """
        left = weakness(self._home)
        if left == NO_LANDLOCK:
            return left
        if left is None:
            left = self._seal()  # before Landlock, which lets nobody mount
        self.restrict()
        return left

    def restrict(self) -> None:
        """By Landlock alone."""
        rules = landlock.Ruleset(landlock.version())
        hidden, closed, code = set(self._hidden), set(self._closed), set(self._code)
        rules.allow("/", rules.everything, but=hidden | closed | code)
        for path, may_change in self._allowed:
            rules.allow(path, rules.everything if may_change else rules.read_only, but=hidden | code)
        for path in self._code:
            rules.allow(path, rules.read_only, but=hidden | closed)
        rules.allow(self._home, rules.everything, but=set())
        rules.allow(self._shared, rules.read_only, but=set())
        rules.enter()

    def _seal(self) -> str | None:
        above = self._above_ours()
        few = [path for path in above if len(os.listdir(path)) <= _MOST_ENTRIES]
        programs = [path for path in self._code if not os.path.islink(path)]
        sealing.Seal(
            covered=filter(os.path.isdir, (*self._hidden, *self._closed)),
            kept=[(self._home, True), (self._shared, False), *((path, False) for path in programs), *self._allowed],
            # Its programs are other runners', too: hard links of the store's.
            unchanged=[*filter(os.path.isfile, self._hidden), os.path.realpath(f"{self._home}/bin")],
            fixed=few,
            links=[*self._links, *filter(os.path.islink, self._code)],
        ).enter()
        return next((TOO_MANY.format(path) for path in above if path not in few), None)

    def _above_ours(self) -> list[str]:
        """Directories that lead to what is ours, and could be opened to others by their owner.

        Of root's only those in which files of ours are: another that takes the place of one has no mount of its own.
        For the rest a job of root's is kept from what is ours, and from nothing else of the host.
        """
        us, walls = os.geteuid(), {*self._hidden, *self._closed, *self._code}
        if us == 0:
            above = {os.path.dirname(path) for path in filter(os.path.isfile, self._hidden)} - {"/"}
        else:
            above = {path for wall in walls for path in _parents(wall) if _owner(path) == us}
        return sorted(path for path in above if not _is_within(path, walls))


def _real(paths: list[str]) -> list[str]:
    return [os.path.realpath(path) for path in paths]


def _parents(path: str) -> list[str]:
    above = []
    while (path := os.path.dirname(path)) != "/":
        above.append(path)
    return above


def _is_within(path: str, walls: set[str]) -> bool:
    return path in walls or any(path.startswith(wall + "/") for wall in walls)


def _owner(path: str) -> int | None:
    try:
        return os.stat(path).st_uid
    except OSError:
        return None
