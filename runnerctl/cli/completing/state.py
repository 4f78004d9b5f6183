"""Where the state database is, found out without reading more settings than needed, and how to read it unnoticed."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import click

from runnerctl.core import DEFAULT_CONFIG_FILE, HostSection
from runnerctl.core.settings import files as settings_files
from runnerctl.core.settings import load as settings

_VARIABLE = HostSection.state_dir.variables[0]
_NAMING = (_VARIABLE, "RUNNERCTL_CONFIG")


def env_file(ctx: click.Context) -> str | None:
    """The ``--env-file`` of the command line."""
    given: str | None = ctx.find_root().params.get("env_file")
    return str(Path(given).expanduser()) if given else None


def directory(named_env_file: str | None) -> Path:
    """The same as ``settings.load().state_dir``, where the other settings can be used."""
    named = os.environ.get(_VARIABLE)
    if named:
        return Path(named)
    file = settings_files.find_env_file(named_env_file or os.environ.get("RUNNERCTL_ENV_FILE") or None)
    config = Path(os.environ.get("RUNNERCTL_CONFIG") or DEFAULT_CONFIG_FILE)
    # To understand these files takes as long as all else together.
    if (file and _holds(file, *_NAMING)) or _holds(config, "state_dir"):
        return settings.load(env_file=named_env_file).state_dir
    return Path(settings.built_in(HostSection.state_dir, os.environ)[0])


def database(ctx: click.Context) -> str | None:
    """A URI for SQLite that makes no file and takes no lock that anybody waits for; None without a database."""
    path = directory(env_file(ctx)) / "runnerctl.db"
    if not os.access(path, os.R_OK):
        return None
    # https://www.sqlite.org/wal.html#read_only_databases: without a log nobody has the file open, and a reader would
    # make one that is its own user's; with one there is the index to it, too.
    logged = path.with_name(f"{path.name}-wal").exists()
    return f"file:{quote(str(path))}?mode=ro&{'readonly_shm=1' if logged else 'immutable=1'}"


def _holds(path: Path, *words: str) -> bool:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(word in text for word in words)
