"""Whose a state directory is: a file in it names this installation and its machine, so that a copy is known as one.

What is in a copy is another machine's: its processes run there, and its registrations are used there.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from runnerctl.supervisor import machine

from ..domain.errors import ConfigInvalid, StateOfAnotherHost
from .directories import disk_errors

_MOST = 4096
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class Installation(NamedTuple):
    id: str
    """Random; the same wherever the state is taken to go on with it."""
    machine: str | None
    """A hash of the machine's id; None: the machine had none when this was written."""

    @classmethod
    def new(cls, machine_id: str | None) -> Installation:
        return cls(os.urandom(16).hex(), machine_id)

    def is_of(self, machine_id: str | None) -> bool:
        """An installation without a machine is that of whichever machine has it."""
        return self.machine is None or self.machine == machine_id


def read(state_dir: Path) -> Installation | None:
    """None where there is none yet. Raises ``ConfigInvalid`` for a file that cannot be used."""
    path = state_dir / machine.HOST_FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            told = json.loads(os.read(descriptor, _MOST))
        finally:
            os.close(descriptor)
        return Installation(str(told["id"]), None if told["machine"] is None else str(told["machine"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ConfigInvalid(
            f"{str(path)!r}, which says whose the state directory is, cannot be used: {type(exc).__name__}",
            hint="Restore it, or delete it if the state directory is this machine's own",
        ) from exc


def claim(state_dir: Path, installation: Installation) -> Installation:
    """Writes it down where there is none yet; returns the one that counts. Safe for many at once."""
    path = state_dir / machine.HOST_FILE
    temporary = _written(path, installation)
    try:
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()
    return read(state_dir) or installation


def replace(state_dir: Path, installation: Installation) -> None:
    path = state_dir / machine.HOST_FILE
    _written(path, installation).rename(path)


def _written(path: Path, installation: Installation) -> Path:
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    with disk_errors(path), os.fdopen(os.open(temporary, _NEW, 0o600), "w", encoding="ascii") as stream:
        json.dump({**installation._asdict(), "format": 1}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    return temporary


def refusal(state_dir: Path, machine_id: str | None) -> StateOfAnotherHost:
    where = f"The state directory {str(state_dir)!r} is of another machine"
    why = "it was copied, or this machine's id has changed"
    if machine_id is None:
        why = f"it names a machine with an id, and this one has none in {machine.MACHINE_ID}"
    return StateOfAnotherHost(
        f"{where}: {why}",
        hint="If this machine goes on with its runners: runnerctl state adopt. If the other machine does: "
        "runnerctl state forget-registrations",
    )
