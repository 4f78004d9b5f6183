"""The settings in force once more, in files of their own, with some of them changed.

Whoever reads the copy's env file, be it a process that a supervisor starts later, reads the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from .load import Settings, load
from .table import GithubSection, OidcSection, ServerSection

_CONFIG, _ENV_FILE = "runnerctl.yaml", "runnerctl.env"
_NOT_COPIED = frozenset(
    each.key for section in (GithubSection, ServerSection, OidcSection) for each in section.settings
)
"""Which GitHub, who may ask a server, and all secrets."""


def copy_settings(
    settings: Settings, directory: Path, *, changes: Mapping[str, str | None], variables: Mapping[str, str]
) -> Settings:
    """The copy, read from two files in ``directory``, which is the manager's alone.

    ``changes`` are by key, as they are written; None: as if nobody had set it. ``variables`` are those of the GitHub
    that takes the place of the settings' own, proxies and certificates.
    """
    config, env_file = directory / _CONFIG, directory / _ENV_FILE
    _write(config, json.dumps(_texts(settings, changes)))
    told = {**variables, "RUNNERCTL_CONFIG": str(config)}
    _write(env_file, "".join(f"{name}={_quoted(value)}\n" for name, value in told.items() if value))
    return read_copy(directory)


def read_copy(directory: Path) -> Settings:
    """What ``copy_settings`` has put there. Raises ``ConfigInvalid`` where it is not there, or not whole."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    config = str(directory / _CONFIG)
    return load(environ={**environ, "RUNNERCTL_CONFIG": config}, env_file=str(directory / _ENV_FILE))


def _texts(settings: Settings, changes: Mapping[str, str | None]) -> dict[str, str]:
    """Of the config file, which YAML reads as well: JSON."""
    written = {key: value.raw for key, value in settings.values.items() if not _is_default(settings, key)}
    return {key: text for key, text in {**written, **changes}.items() if text and key not in _NOT_COPIED}


def _is_default(settings: Settings, key: str) -> bool:
    return settings.origin(settings.values[key].setting).startswith("default")


def _quoted(value: str) -> str:
    """As python-dotenv reads it back; a certificate's path or a proxy may hold anything."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
