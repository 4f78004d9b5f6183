"""The variables that the settings give to every job: ``job_env``, and what ``job_env_file`` has beside it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..domain import job_env
from ..domain.errors import ConfigInvalid, InvalidRequest
from ..host.directories import owner_name
from .files import parse_env_file, reason
from .load import Settings

_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_MOST = 256 * 1024


def of(settings: Settings) -> dict[str, str]:
    """Those in force now: the file is read each time. Raises ``ConfigInvalid`` naming the file and what is wrong."""
    given = settings.job_env or {}
    if settings.job_env_file is None:
        return given
    try:
        return job_env.checked(job_env.combined(_read(settings.job_env_file), given))
    except InvalidRequest as exc:
        raise ConfigInvalid(f"{settings.job_env_file}: {exc.message}", hint=exc.hint) from exc


def _read(path: Path) -> dict[str, str]:
    try:
        descriptor = os.open(path, _FILE)
        with os.fdopen(descriptor, encoding="utf-8") as stream:
            _check(os.fstat(descriptor), path)
            return parse_env_file(stream, path)
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigInvalid(f"job_env_file {str(path)!r} cannot be read: {reason(exc)}") from exc


def _check(found: os.stat_result, path: Path) -> None:
    """Who can write it decides what all jobs run with, and what runs around them."""
    if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST:
        raise ConfigInvalid(f"job_env_file {str(path)!r} is not a file of at most {_MOST // 1024} KiB")
    if found.st_uid not in {0, os.geteuid()}:
        raise ConfigInvalid(
            f"job_env_file {str(path)!r} belongs to {owner_name(found.st_uid)}", hint=f"sudo chown root: {path}"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigInvalid(
            f"job_env_file {str(path)!r} can be written by others (mode {stat.S_IMODE(found.st_mode):04o})",
            hint=f"chmod go-w {path}",
        )
