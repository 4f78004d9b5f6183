"""This host: directories and disks, the backend, the kernel, libraries that runners need, the service's own files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..domain.errors import ConfigInvalid
from ..host import disk
from ..host.directories import check_usable
from ..settings import listable, noexec
from ..settings.table import DefaultsSection, HostSection
from .finding import Finding, Level, Subject

_SOMEBODY_ELSE = -1


def directories(subject: Subject) -> Iterator[Finding]:
    settings = subject.services.settings
    for setting, path in ((HostSection.state_dir, settings.state_dir), (DefaultsSection.base_dir, settings.base_dir)):
        if not check_usable(path):
            yield Finding(
                Level.WARN, f"{setting.key} {str(path)!r} does not exist yet; runnerctl creates it when needed"
            )
    noexec.check(settings)
    listable.check(settings, units=subject.services.backend.name == "systemd")
    yield Finding(Level.OK, f"Runners in {settings.base_dir}, state in {settings.state_dir}")


def packages(subject: Subject) -> Iterator[Finding]:
    settings = subject.services.settings
    check_usable(settings.package_dir)
    if _device(settings.base_dir) != _device(settings.package_dir):
        message = f"{str(settings.package_dir)!r} is on another file system than the runners: each runner gets a copy"
        yield Finding(Level.WARN, message, "Set package_dir to a directory on the same file system")
    disk.require_free((settings.base_dir, settings.state_dir, settings.package_dir), settings.min_free_space)


def _device(path: Path) -> int:
    return next(each for each in (path, *path.absolute().parents) if each.exists()).stat().st_dev


def backend(subject: Subject) -> Iterator[Finding]:
    """What it finds itself, whichever it is."""
    for problem in subject.services.backend.check():
        error = ConfigInvalid(problem.message, hint=problem.hint) if problem.fatal else None
        yield Finding(Level.FAIL if problem.fatal else Level.WARN, problem.message, problem.hint or "", error=error)


def runner_needs(subject: Subject) -> Iterator[Finding]:
    """Libraries and certificates, without which a Listener or config.sh dies with a stack of .NET's."""
    from ..host import runner_needs
    from ..settings import job_variables

    settings = subject.services.settings
    try:
        variables = {**settings.http.variables, **job_variables.of(settings)}
    except ConfigInvalid:  # told by its own check
        variables = settings.http.variables
    _, server_url = settings.github_urls
    found = runner_needs.missing(
        Path("/"),
        machine=os.uname().machine,
        glibc=runner_needs.own_glibc(),
        variables=variables,
        needs_certificates=server_url.startswith("https:"),
    )
    for each in found:
        yield Finding(Level.WARN, each.message, each.hint)
    if not found:
        yield Finding(Level.OK, "The libraries that runners need are there")


def kernel(subject: Subject) -> Iterator[Finding]:
    """By what a runner's processes are found again, whatever they do."""
    from ..host import cgroups

    backend = subject.services.backend
    if backend.name == "systemd" or cgroups.own() is not None:
        yield Finding(Level.OK, "Runners have cgroups of their own")
    elif backend.capabilities.isolation:
        yield Finding(Level.OK, "No cgroups can be created here; a runner's processes are found by their user")
    else:
        yield Finding(
            Level.WARN,
            "No cgroups can be created here, and runners have no users of their own: a fork bomb may stay behind",
            "Set run_as, or give the server a cgroup (v2) of its own (Delegate=yes)",
        )


def visibility(subject: Subject) -> Iterator[Finding]:
    """Whether the runners' processes can be seen, by whoever this process has become."""
    from ..host import processes, visibility

    settings = subject.services.settings
    others = settings.run_as is not None or subject.services.backend.name == "systemd"
    try:
        processes.boot_id()
        visibility.check_all_seen(_SOMEBODY_ELSE if others else None)
    except visibility.Unseen as exc:
        message = (
            f"{str(exc.strerror)[:1].upper()}{str(exc.strerror)[1:]}: what cannot be seen is shown as unknown, and such"
            " runners are not stopped, removed or cleared away"
        )
        yield Finding(Level.WARN, message, visibility.SEE_ALL)
    else:
        yield Finding(Level.OK, "The runners' processes can be seen")


def own_unit(subject: Subject) -> Iterator[Finding]:
    if subject.restart_kills is None or subject.services.backend.name != "process":
        return
    if (why := subject.restart_kills()) is not None:
        yield Finding(Level.WARN, why)


def service(subject: Subject) -> Iterator[Finding]:
    if subject.outdated_units is None:
        return
    left = subject.outdated_units(subject.services.settings.state_dir)
    if left is None:
        yield Finding(Level.OK, "No systemd service is installed for this state directory")
    elif left:
        message = f"Installed files differ from this version: {', '.join(left)}"
        yield Finding(Level.WARN, message, "sudo runnerctl service install --now")
    else:
        yield Finding(Level.OK, "The systemd units are up to date")
