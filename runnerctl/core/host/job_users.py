"""The users that jobs run as: one for each live runner, so that no job can touch another's.

Written as names, ``runner-{1..32}``, ids or ``60001-60032``, with commas between.
"""

from __future__ import annotations

import grp
import pwd
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..domain.errors import ConfigInvalid
from . import visibility

_NAMES = re.compile(r"([a-z_][a-z0-9_.-]*)(?:\{(\d{1,5})\.\.(\d{1,5})\})?", re.ASCII)
_IDS = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?", re.ASCII)
_MOST = 4096
_LEAST_ID, _NO_ID = 1, 2**32 - 1
_ANYBODY = _NO_ID


class JobUser(NamedTuple):
    """A user that is one runner's alone while that runner lives."""

    uid: int
    gid: int


def parse(text: str) -> tuple[str, ...]:
    """The single names and ids, as written; no account is looked up. Raises ``ValueError`` saying what is allowed."""
    words = tuple(word for part in text.split(",") for word in _expanded(part.strip()))
    if len(set(words)) != len(words):
        raise ValueError("a user is named twice")
    return words


def _expanded(part: str) -> Iterator[str]:
    if (ids := _IDS.fullmatch(part)) is not None:
        first, last = int(ids[1]), int(ids[2] or ids[1])
        if not _LEAST_ID <= first <= last < _NO_ID:
            raise ValueError("use ids above 0, the lower first")
        yield from map(str, _range(first, last))
    elif (names := _NAMES.fullmatch(part)) is not None and names[2] is None:
        yield part
    elif names is not None:
        yield from (f"{names[1]}{number}" for number in _range(int(names[2]), int(names[3])))
    else:
        raise ValueError("use user names, NAME-{1..32}, ids or 60001-60032, with commas between")


def _range(first: int, last: int) -> range:
    if not 0 <= last - first < _MOST:
        raise ValueError(f"use a range of at most {_MOST}, the lower first")
    return range(first, last + 1)


def resolve(words: tuple[str, ...]) -> tuple[JobUser, ...]:
    """Whom the words mean. An id without an account is used as it is, its group has the same number.

    Raises ``ConfigInvalid`` for a name without an account, for root, and for two words that mean one user.
    """
    users = tuple(_resolved(word) for word in words)
    if len({user.uid for user in users}) != len(users):
        raise ConfigInvalid(f"run_as names one user twice: {', '.join(words)}")
    return users


def groups(names: tuple[str, ...]) -> tuple[int, ...]:
    """The ids of supplementary groups. Raises ``ConfigInvalid`` for one that is not there, and for root's."""
    found = []
    for name in names:
        try:
            number = int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
        except KeyError as exc:
            raise ConfigInvalid(f"run_as_groups names group {name!r}, which does not exist") from exc
        if number == 0:
            raise ConfigInvalid("run_as_groups names root's group", hint="Jobs never get root's group")
        found.append(number)
    return tuple(found)


def _resolved(word: str) -> JobUser:
    try:
        account = pwd.getpwuid(int(word)) if word.isdigit() else pwd.getpwnam(word)
    except KeyError as exc:
        if word.isdigit():
            return JobUser(uid=int(word), gid=int(word))
        raise ConfigInvalid(
            f"run_as names user {word!r}, who does not exist",
            hint=f"Create it (useradd --system --no-create-home --shell /usr/sbin/nologin {word}) or name ids",
        ) from exc
    if 0 in {account.pw_uid, account.pw_gid}:
        raise ConfigInvalid(f"run_as names {word!r}, who is root or in root's group", hint="Jobs never run as root")
    return JobUser(uid=account.pw_uid, gid=account.pw_gid)


def with_processes(*, zombies: bool = False) -> frozenset[int]:
    """The uids of all processes that live now, whoever started them; ``zombies`` count against a user's limit, too.

    Raises ``Unseen`` where ``/proc`` hides some.
    """
    visibility.check_all_seen(_ANYBODY)
    found: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            text = path.read_bytes()
        except OSError:
            continue
        if not zombies and text[text.index(b"\nState:") + 7 :].split(None, 1)[0] in {b"Z", b"X"}:
            continue
        start = text.find(b"\nUid:")
        # Real, effective, saved and file-system id: any of them makes it that user's.
        found.update(map(int, text[start + 5 : text.index(b"\n", start + 1)].split()))
    return frozenset(found)
