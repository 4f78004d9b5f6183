"""Where an installation is, and whose: one value, from which every file and unit of it follows."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from runnerctl.core.backends import limits
from runnerctl.core.backends.limits import CgroupLimit
from runnerctl.core.domain.errors import ConfigInvalid, InvalidRequest
from runnerctl.core.host import job_users
from runnerctl.core.settings import load as settings_module
from runnerctl.core.settings.table import (
    DEFAULT_BASE_DIR,
    DEFAULT_CONFIG_FILE,
    DEFAULT_ENV_FILE,
    DEFAULT_STATE_DIR,
    DefaultsSection,
    HostSection,
)
from runnerctl.core.settings.typed import Setting

UNIT = "runnerctl-server.service"
SOCKET = "runnerctl-server.socket"
ALIAS = "runnerctl.service"
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}", re.ASCII)
_GROUP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_PATH = re.compile(r"(/[A-Za-z0-9@+._-]+)+", re.ASCII)
"""What a unit file takes as it is, unquoted and without a meaning of its own."""


class Backend(StrEnum):
    """How runners are kept; it decides what the server's unit may forbid."""

    PROCESS = "process"
    SYSTEMD = "systemd"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The defaults are those of the guide; ``contrib/systemd`` holds their texts."""

    interpreter: Path = Path("/opt/runnerctl/venv/bin/python")
    user: str = "runnerctl"
    """The manager; its group has the same name."""
    backend: Backend = Backend.PROCESS
    home: Path = Path("/opt/runnerctl")
    config_dir: Path = Path(DEFAULT_CONFIG_FILE).parent
    state_dir: Path = Path(DEFAULT_STATE_DIR)
    base_dir: Path = Path(DEFAULT_BASE_DIR)
    package_dir: Path = Path(DEFAULT_BASE_DIR, ".packages")
    limits: tuple[CgroupLimit, ...] = ()
    """Of each runner that is a unit."""
    groups: tuple[str, ...] = ()
    """Supplementary ones of its jobs."""
    bind: str = "127.0.0.1:8080"
    unit_dir: Path = Path("/etc/systemd/system")
    polkit_dir: Path = Path("/etc/polkit-1/rules.d")
    package: Path = Path("/opt/runnerctl/venv/lib/python3.11/site-packages/runnerctl")
    """Where this code is: the runners' units name programs in there."""

    @property
    def env_file(self) -> Path:
        return self.config_dir / Path(DEFAULT_ENV_FILE).name

    @property
    def app_key(self) -> Path:
        return self.config_dir / settings_module.APP_KEY_FILE

    @property
    def api_token(self) -> Path:
        return self.config_dir / "api-token"


def here(*, user: str = "runnerctl", backend: Backend = Backend.PROCESS) -> Layout:
    """For this interpreter, with the directories that the service's own settings name.

    Raises ``InvalidRequest`` for a user, ``ConfigInvalid`` for a path that a unit file cannot hold.
    """
    if not _USER.fullmatch(user):
        raise InvalidRequest(f"{user!r} is not a user name", hint="Use a-z, 0-9, '_' and '-'")
    settings = _of_the_service()
    state_dir = _directory(settings, HostSection.state_dir)
    base_dir = _directory(settings, DefaultsSection.base_dir)
    package_dir = settings.package_dir if settings.is_named(HostSection.package_dir) else None
    return Layout(
        interpreter=_plain(sys.executable),
        user=user,
        backend=backend,
        state_dir=state_dir,
        base_dir=base_dir,
        package_dir=_plain(str(package_dir)) if package_dir else base_dir / ".packages",
        limits=limits.asked(settings.limits),
        groups=_groups(settings) if backend is Backend.SYSTEMD else (),
        bind=str(settings.server.bind),
        package=_plain(str(Path(__file__).resolve().parents[1])),
    )


def _of_the_service() -> settings_module.Settings:
    """What ``serve`` will read there, whatever this shell's environment and directory hold."""
    readable = os.access(DEFAULT_ENV_FILE, os.R_OK)
    return settings_module.load(environ={}, env_file=DEFAULT_ENV_FILE if readable else os.devnull)


def _directory(settings: settings_module.Settings, setting: Setting[Path]) -> Path:
    # A user's own directories take the place of defaults; the service's user has no such ones.
    return _plain(str(settings.values[setting.key].value if settings.is_named(setting) else setting.default))


def _groups(settings: settings_module.Settings) -> tuple[str, ...]:
    names: tuple[str, ...] = settings.run_as_groups or ()
    if not all(map(_GROUP.fullmatch, names)):
        raise ConfigInvalid(f"run_as_groups {', '.join(names)!r} cannot be written into a unit file")
    job_users.groups(names)  # a unit that names one that is not there would never start
    return names


def _plain(path: str) -> Path:
    if not _PATH.fullmatch(path) or ".." in Path(path).parts:
        raise ConfigInvalid(
            f"{path!r} cannot be written into a unit file", hint="Use an absolute path of letters, digits and '@+._-'"
        )
    return Path(path)
