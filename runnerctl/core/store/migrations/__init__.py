"""From every earlier version of the database to this one: a file of SQL for each step, named by the version it makes.

All steps are one transaction: whoever is killed in its midst leaves the version that was there.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ...domain.errors import ConfigInvalid
from ...host.directories import disk_errors
from ...host.locks import LockHeld, file_lock


class Migration(NamedTuple):
    version: int
    """Which it makes out of the one before."""
    script: Path


@cache
def all_of_them() -> tuple[Migration, ...]:
    """Oldest first, without a gap."""
    scripts = sorted(Path(__file__).parent.glob("[0-9]*_*.sql"))
    return tuple(Migration(int(script.name.partition("_")[0]), script) for script in scripts)


def upgrade(db: sqlite3.Connection, *, path: Path) -> None:
    """To the newest version, inside the caller's ``BEGIN IMMEDIATE``; nothing where another process was quicker.

    Raises ``ConfigInvalid`` for a newer database, and while a server runs that knows the older version only.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    _refuse_newer(version, path)
    pending = [migration for migration in all_of_them() if migration.version > version]
    if version and pending:
        _refuse_under_a_server(path)
        _keep_copy(path, path.with_name(f"{path.name}.before-{pending[-1].version}"))
    for migration in pending:
        for statement in _statements(migration.script.read_text()):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {migration.version}")


def _refuse_newer(version: int, path: Path) -> None:
    if version > all_of_them()[-1].version:
        raise ConfigInvalid(
            f"The database {str(path)!r} was written by a newer runnerctl",
            hint="Upgrade runnerctl, or name another state directory",
        )


def _refuse_under_a_server(path: Path) -> None:
    """One of this version would have brought the database up to date before it took its lock."""
    lock = path.with_name("serve.lock")
    if not lock.exists():
        return
    try:
        with file_lock(lock, wait=0, shared=True):
            return
    except LockHeld as exc:
        raise ConfigInvalid(
            f"A server of an older runnerctl uses the state directory {str(path.parent)!r}",
            hint="Restart the server first: it then upgrades the database",
        ) from exc


def _keep_copy(path: Path, copy: Path) -> None:
    """Whole or not at all; it replaces that of an upgrade which came to nothing."""
    with disk_errors(copy), _unfinished(copy.with_name(f"{copy.name}.new")) as unfinished:
        # The writer's own connection is in its transaction; another one reads what was committed.
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(unfinished)) as target:
            target.execute("PRAGMA journal_mode = OFF")
            source.backup(target)
        _flush(unfinished)
        unfinished.rename(copy)
        _flush(copy.parent)


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _statements(script: str) -> Iterator[str]:
    """One by one: ``executescript`` would commit the transaction around them."""
    statement = ""
    for line in script.splitlines():
        if line.startswith("--"):
            continue
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
