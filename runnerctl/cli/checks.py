"""Whether the settings in force can be used, as far as that shows without asking GitHub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.settings import credentials, readable_secrets
from runnerctl.core.settings.load import Settings
from runnerctl.core.settings.run_as import check_job_users
from runnerctl.core.settings.workflow_policy import workflow_policy


def check(settings: Settings) -> list[str]:
    """What is worth knowing though it is no error. Raises ``ConfigInvalid`` for the first thing that cannot be used."""
    _front_door(settings)
    return [
        *_credentials(settings),
        *_persistent(settings),
        *readable_secrets.world_readable_secret_files(settings),
        *_token(settings),
        *_workflows(settings),
        *_directories(settings),
        *_job_users(settings),
    ]


def _front_door(settings: Settings) -> None:
    from runnerctl.server.listening import addresses, listen_policy

    listen_policy.check(settings, addresses.parse(settings.get("server.bind")))
    listen_policy.tls(settings)


def _credentials(settings: Settings) -> Iterator[str]:
    credentials.check_github(settings)
    if settings.get("github.app_id") and settings.get("github.pat"):
        yield "GITHUB_PAT is not used: the App is"


def _persistent(settings: Settings) -> Iterator[str]:
    from runnerctl.core.engine.steps.configure import unreachable

    if not settings.get("defaults.ephemeral") and (why := unreachable(settings)) is not None:
        yield why


def _token(settings: Settings) -> Iterator[str]:
    if credentials.api_token(settings) is None and workflow_policy(settings) is None:
        yield "No API token is set: `runnerctl serve` would refuse to start"


def _workflows(settings: Settings) -> Iterator[str]:
    policy = workflow_policy(settings)
    if policy is not None and not policy.rules:
        yield "oidc.issuer is set, but no oidc.rules: no workflow gets in"


def _directories(settings: Settings) -> Iterator[str]:
    for key, path in (("state_dir", settings.state_dir), ("defaults.base_dir", settings.base_dir)):
        top = _first_there(path)
        if not top.is_dir():
            raise ConfigInvalid(f"{key} {str(path)!r} cannot be used: {str(top)!r} is no directory")
        if not os.access(top, os.W_OK | os.X_OK):
            raise ConfigInvalid(
                f"{key} {str(path)!r} cannot be used: {str(top)!r} (mode {top.stat().st_mode & 0o7777:04o})"
                f" is not writable by uid {os.geteuid()}",
                hint=f"Give that user the directory, or name another one ({settings.origin(key)})",
            )
        if top != path:
            yield f"{key} {str(path)!r} does not exist yet; it is made when it is needed"


def _job_users(settings: Settings) -> Iterator[str]:
    """As whom, and within which limits."""
    from runnerctl.core.services import Services
    from runnerctl.core.settings import listable

    check_job_users(settings)
    services = Services(settings=settings)
    listable.check(settings, units=services.backend.name == "systemd")
    degraded = services.backend.degraded
    if degraded is not None:
        yield degraded


def _first_there(path: Path) -> Path:
    """The directory itself, or the nearest one above it that exists."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if os.path.lexists(each))
