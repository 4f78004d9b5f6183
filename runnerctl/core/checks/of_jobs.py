"""Jobs: who they run as, what they are not kept from, and what they are given."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..domain.errors import ConfigInvalid
from ..settings import certificates
from ..settings.run_as import check_job_users
from .finding import Finding, Level, Subject


def jobs(subject: Subject) -> Iterator[Finding]:
    """Who jobs run as, and what they are not kept from."""
    check_job_users(subject.services.settings)
    backend = subject.services.backend
    if backend.degraded:
        yield Finding(Level.WARN, f"Degraded: {backend.degraded}", "See docs/security.md")
    else:
        users = "systemd units" if backend.name == "systemd" else "processes with users of their own"
        yield Finding(Level.OK, f"Runners are {users}")
    settings = subject.services.settings
    if backend.name == "process" and settings.run_as is None and settings.landlock:
        from ..backends import confinement

        if (why := confinement.weakness()) is not None:
            yield Finding(Level.WARN, why, "Set run_as, or run `sudo runnerctl service install`")


def job_env(subject: Subject) -> Iterator[Finding]:
    """What jobs get of variables, and whether the files are there that those name."""
    from ..domain import job_env
    from ..settings import job_variables

    given = job_variables.of(subject.services.settings)
    subject.services.launching.check_job_env({}, persistent=True)
    for name in sorted(job_env.HOOKS & given.keys()):
        if given[name] and not Path(given[name]).is_file():
            raise ConfigInvalid(
                f"{name} names {given[name]!r}, which is no file: every job would fail",
                hint="Put the script there, readable for every user that jobs run as, or name another",
            )
        yield from _kept_hook(subject, name, given[name])
    yield from _closed_variables(subject, given)
    node_certificates = given.get("NODE_EXTRA_CA_CERTS")
    if node_certificates and not Path(node_certificates).is_file():
        yield Finding(
            Level.WARN, f"NODE_EXTRA_CA_CERTS names {node_certificates!r}, which is no file: Node.js ignores it"
        )
    if given:
        yield Finding(Level.OK, f"Jobs get {', '.join(sorted(given))}")


def _closed_variables(subject: Subject, given: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that lead jobs to where they may not go: the home of our user."""
    from ..domain import job_env
    from ..settings.kept_from_jobs import why_closed

    services = subject.services
    if services.backend.name != "process" or services.settings.run_as is not None or not services.settings.landlock:
        return
    for name in sorted(given.keys() - job_env.HOOKS):
        for word in filter(os.path.isabs, given[name].split(":")):
            why = why_closed(Path(word).resolve(), services.settings) if os.path.exists(word) else None  # noqa: PTH110 - a text that may be no path
            if why is not None:
                message = f"{name} names {word!r}, which jobs cannot use: {why}"
                yield Finding(Level.WARN, message, f"RUNNERCTL_LANDLOCK_ALLOW={word}, with :rw if jobs write there")


def _kept_hook(subject: Subject, name: str, script: str) -> Iterator[Finding]:
    from ..settings.kept_from_jobs import why_kept

    services = subject.services
    units = services.backend.name == "systemd"
    why = why_kept(Path(script), services.settings, units=units) if script else None
    if why is not None:
        message = f"{name} names {script!r}, which jobs cannot read: {why}: every job fails"
        yield Finding(Level.WARN, message, "Put the script where every user can read it, such as below /opt/hooks")


def job_certificates(subject: Subject) -> Iterator[Finding]:
    services = subject.services
    why = certificates.kept_from_runners(services.settings, units=services.backend.name == "systemd")
    if why is not None:
        yield Finding(Level.WARN, why, "Put the file where every user can read it, such as below /etc/ssl")
