"""Whether this host is fit to run runners, and what is not as it should be. Looks only: nothing is made or changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from .domain.errors import RunnerctlError
from .engine.breaker import held_back
from .engine.steps.configure import unreachable
from .host import disk
from .host.directories import check_directory, disk_errors
from .services import Services
from .settings import credentials, listable, readable_secrets
from .settings.run_as import check_job_users

_MOST_SKEW = 30.0
"""Seconds. GitHub's tokens allow for about a minute; what is beyond this grows."""


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    check: str
    level: Level
    message: str
    hint: str = ""


def diagnose(services: Services, *, ask_github: bool = True) -> Iterator[Finding]:
    """One finding at least for each check, in order; what a check raises is an error that it found."""
    for name, check in _CHECKS.items():
        if name == "github" and not ask_github:
            continue
        try:
            found = list(check(services))
        except RunnerctlError as exc:
            found = [Finding(name, Level.ERROR, exc.message, exc.hint or "")]
        yield from found


def _settings(services: Services) -> Iterator[Finding]:
    settings = services.settings
    for warning in settings.warnings:
        yield Finding("settings", Level.WARNING, warning)
    services.check_fitting()
    if (why := unreachable(settings)) is not None:
        by_default = not settings.get("defaults.ephemeral")
        yield Finding("settings", Level.WARNING if by_default else Level.OK, why)
    source = f"env file {settings.env_file}" if settings.env_file else "no env file"
    yield Finding("settings", Level.OK, f"{source[0].upper()}{source[1:]}")


def _secrets(services: Services) -> Iterator[Finding]:
    left = readable_secrets.world_readable_secret_files(services.settings)
    for sentence in left:
        yield Finding("secrets", Level.ERROR, sentence)
    if not left:
        yield Finding("secrets", Level.OK, "No file of secrets can be read by everybody")


def _credentials(services: Services) -> Iterator[Finding]:
    settings = services.settings
    credentials.check_github(settings)
    credentials.api_token(settings)
    app = settings.get("github.app_id")
    yield Finding("credentials", Level.OK, f"App {app}" if app else "A personal access token")


def _github(services: Services) -> Iterator[Finding]:
    """One call."""
    identity = services.github.identify()
    yield Finding("github", Level.OK, f"{services.settings.github_urls[0]} takes us for {identity.name}")
    ahead = identity.clock_ahead
    if ahead is not None and abs(ahead) > _MOST_SKEW:
        way = "behind" if ahead > 0 else "ahead of"
        message = f"This host's clock is {abs(ahead):.0f} s {way} GitHub's"
        yield Finding("github", Level.WARNING, message, "Run an NTP client")


def _directories(services: Services) -> Iterator[Finding]:
    settings = services.settings
    places = (settings.base_dir, settings.state_dir, settings.package_dir)
    for path in places:
        with disk_errors(path):
            there = path.exists()
        if there:
            check_directory(path)
    if _device(settings.base_dir) != _device(settings.package_dir):
        message = f"{str(settings.package_dir)!r} is on another file system than the runners: each gets a copy"
        yield Finding("directories", Level.WARNING, message, "Name a package_dir on the same file system")
    listable.check(settings, units=services.backend.name == "systemd")
    disk.require_free(places, settings.get("min_free_space"))
    yield Finding("directories", Level.OK, f"Runners in {settings.base_dir}, state in {settings.state_dir}")


def _device(path: Path) -> int:
    return next(each for each in (path, *path.absolute().parents) if each.exists()).stat().st_dev


def _jobs(services: Services) -> Iterator[Finding]:
    """Who jobs run as, and what they are not kept from."""
    check_job_users(services.settings)
    backend = services.backend
    if backend.degraded:
        yield Finding("jobs", Level.WARNING, f"Degraded: {backend.degraded}", "See docs/security.md")
    else:
        users = "units of systemd" if backend.name == "systemd" else "processes of users of their own"
        yield Finding("jobs", Level.OK, f"Runners are {users}")


def _kernel(services: Services) -> Iterator[Finding]:
    """By what a runner's processes are found again, whatever they do."""
    from .host import cgroups

    if services.backend.name == "systemd" or cgroups.own() is not None:
        yield Finding("kernel", Level.OK, "Runners have cgroups of their own")
    elif services.settings.get("run_as") is not None:
        yield Finding("kernel", Level.OK, "No cgroups can be made here: a runner's processes are known by their user")
    else:
        yield Finding(
            "kernel",
            Level.WARNING,
            "No cgroups can be made here, and runners have no users of their own: a fork bomb can outrun its end",
            "Set run_as, or let the server have a cgroup (v2) of its own (Delegate=yes)",
        )


def _service(services: Services) -> Iterator[Finding]:
    from runnerctl.install import upkeep

    left = upkeep.outdated(services.settings.state_dir)
    if left is None:
        yield Finding("service", Level.OK, "No service of systemd is installed for this state directory")
    elif left:
        message = f"Not as this version writes it: {', '.join(left)}"
        yield Finding("service", Level.WARNING, message, "sudo runnerctl service install --now")
    else:
        yield Finding("service", Level.OK, "The units of systemd are those of this version")


def _state(services: Services) -> Iterator[Finding]:
    if not (services.settings.state_dir / "runnerctl.db").exists():
        yield Finding("state", Level.OK, "No runner was ever made here")
        return
    store = services.store
    if orphans := len(store.orphans()):
        message = f"{orphans} registrations are still to be cleared at GitHub"
        yield Finding("state", Level.WARNING, message, "runnerctl reconcile")
    for reason in held_back(services):
        yield Finding("state", Level.WARNING, reason)
    yield Finding("state", Level.OK, f"{len(store.live())} runners live here")


_CHECKS: dict[str, Callable[[Services], Iterator[Finding]]] = {
    "settings": _settings,
    "secrets": _secrets,
    "credentials": _credentials,
    "github": _github,
    "directories": _directories,
    "jobs": _jobs,
    "kernel": _kernel,
    "service": _service,
    "state": _state,
}
