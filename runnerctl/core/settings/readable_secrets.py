"""Files that hold our secrets, and that every user of this host can read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from .load import SYSTEMD_CREDENTIAL, Settings
from .table import DEFAULT_CONFIG_FILE, GithubSection, ServerSection

_FILES_OF_SECRETS = {
    each.key for each in (GithubSection.private_key_file, ServerSection.api_token_file, ServerSection.tls_key)
}


def world_readable_secret_files(settings: Settings) -> list[str]:
    """A sentence for each, with what mends it."""
    files = [path for path in secret_files(settings) if _everybody_reads(path)]
    return [f"{str(path)!r} holds secrets and is world-readable. Run: chmod o= {path}" for path in files]


def secret_files(settings: Settings) -> list[Path]:
    """Those that the settings name, and those that the secrets among them were read from."""
    return list(dict.fromkeys(_files(settings)))


def _files(settings: Settings) -> Iterator[Path]:
    for value in settings.values.values():
        if value.value is None:
            continue
        if value.setting.key in _FILES_OF_SECRETS and value.origin != SYSTEMD_CREDENTIAL:
            yield Path(value.value)
        if value.setting.secret and value.origin.startswith("env file") and settings.env_file:
            yield settings.env_file
        if value.setting.secret and value.origin.startswith("config file"):
            yield Path(settings.environ.get("RUNNERCTL_CONFIG") or DEFAULT_CONFIG_FILE)


def _everybody_reads(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
