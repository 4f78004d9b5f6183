"""Steps: what is missing or differs, decided first and then done in order. A second time there are none."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.host.directories import disk_errors, owner_name
from runnerctl.core.host.trusted_paths import refuse_untrusted

from .files import Directory, File, Link

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True)
class Step:
    """``action`` and ``target`` say what ``act`` will do, for ``--dry-run`` as for the report."""

    action: str
    target: str
    act: Callable[[], object] = field(repr=False, compare=False)


def take(steps: Sequence[Step]) -> None:
    """In order; the first that fails ends it, and another call goes on from there."""
    with _usual_umask():
        for step in steps:
            with disk_errors(Path(step.target)):
                step.act()


def directory_steps(wanted: Sequence[Directory]) -> Iterator[Step]:
    """Raises ``ConfigInvalid`` for one that holds somebody else's files: their owner is never changed."""
    for each in wanted:
        _trusted(each)
        seen = _seen(each.path, follow=True)
        if seen is None:
            yield Step(action="make directory", target=str(each.path), act=partial(_make, each))
            continue
        if not stat.S_ISDIR(seen.st_mode):
            raise ConfigInvalid(f"{str(each.path)!r} is not a directory")
        if seen.st_uid != _uid(each.owner) and any(each.path.iterdir()):
            raise _of_somebody_else(each, seen.st_uid)
        if not _is_as_wanted(seen, each.mode, each.owner, each.group):
            yield Step(action="set mode and owner", target=str(each.path), act=partial(_take_over, each))


def file_steps(wanted: Sequence[File | Link]) -> Iterator[Step]:
    for each in wanted:
        if isinstance(each, Link):
            yield from _link_steps(each)
            continue
        seen = _seen(each.path)
        if seen is None:
            yield Step(action="write", target=str(each.path), act=partial(_write, each))
        elif not each.kept and (not stat.S_ISREG(seen.st_mode) or each.path.read_text(errors="replace") != each.text):
            yield Step(action="replace", target=str(each.path), act=partial(_write, each))
        elif not _is_as_wanted(seen, each.mode, each.owner, each.group):
            yield Step(action="set mode and owner", target=str(each.path), act=partial(_own_file, each))


def _link_steps(link: Link) -> Iterator[Step]:
    seen = _seen(link.path)
    if seen is None or not stat.S_ISLNK(seen.st_mode) or str(link.path.readlink()) != link.target:
        action = "link" if seen is None else "replace"
        yield Step(action=action, target=str(link.path), act=partial(_link, link))


def _trusted(directory: Directory) -> Path:
    """Where it is. Raises ``ConfigInvalid`` where somebody else could lead us elsewhere."""
    return refuse_untrusted(directory.path, owners=None)


def _make(directory: Directory) -> None:
    """Each that is missing is root's until all of them are there."""
    _trusted(directory).mkdir(parents=True, exist_ok=True)
    _take_over(directory)


def _take_over(directory: Directory) -> None:
    """By descriptor: what is looked at is what is given away, and no link to another."""
    descriptor = os.open(_trusted(directory), _DIRECTORY)
    try:
        if os.fstat(descriptor).st_uid != _uid(directory.owner) and os.listdir(descriptor):  # noqa: PTH208 - it is open
            raise _of_somebody_else(directory, os.fstat(descriptor).st_uid)
        _own(descriptor, directory)
    finally:
        os.close(descriptor)


def _write(file: File) -> None:
    """In one step: systemd never reads half a unit, and nobody a secret on its way."""
    descriptor, name = tempfile.mkstemp(prefix=f".{file.path.name}.", dir=file.path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(file.text)
            stream.flush()
            _own(descriptor, file)
            os.fsync(descriptor)
        Path(name).rename(file.path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _link(link: Link) -> None:
    new = link.path.with_name(f".{link.path.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(link.target)
    new.rename(link.path)


def _own_file(file: File) -> None:
    descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _own(descriptor, file)
    finally:
        os.close(descriptor)


def _own(descriptor: int, wanted: File | Directory) -> None:
    os.fchown(descriptor, pwd.getpwnam(wanted.owner).pw_uid, grp.getgrnam(wanted.group).gr_gid)
    os.fchmod(descriptor, wanted.mode)


def _is_as_wanted(seen: os.stat_result, mode: int, owner: str, group: str) -> bool:
    try:
        gid = grp.getgrnam(group).gr_gid
    except KeyError:
        return False
    return (stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid) == (mode, _uid(owner), gid)


def _uid(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None  # to be made by an earlier step


def _seen(path: Path, *, follow: bool = False) -> os.stat_result | None:
    try:
        return path.stat() if follow else path.lstat()
    except FileNotFoundError:
        return None


def _of_somebody_else(directory: Directory, uid: int) -> ConfigInvalid:
    owner = owner_name(uid)
    return ConfigInvalid(
        f"{str(directory.path)!r} holds files of user {owner!r}, and the service would run as {directory.owner!r}",
        hint=f"Pass --user {owner}, or move it away",
    )


@contextmanager
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)
