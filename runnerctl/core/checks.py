"""Whether settings and host can be used: one list for ``config validate``, ``doctor``, the start of ``serve``, SIGHUP.

``CHECKS`` says what is looked at, in which order, and who asks for it; one more check is a function and a line there.
Every check looks only: nothing is made or changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from . import listening
from .domain.errors import ConfigInvalid, RunnerctlError
from .domain.phrases import counted
from .host import disk
from .host.directories import check_usable
from .services import Services
from .settings import certificates, credentials, listable, noexec, readable_secrets
from .settings.run_as import check_job_users
from .settings.table import DefaultsSection, HostSection
from .settings.workflow_policy import workflow_policy

_SOMEBODY_ELSE = -1
_RENEWAL = "A server renews idle runners one by one once a newer version is offered; without one: runnerctl reconcile"
_MOST_SKEW = 30.0
"""Seconds. GitHub's tokens allow for about a minute; what is beyond this grows."""


class Level(StrEnum):
    OK = "ok"
    WARN = "warning"
    FAIL = "error"


class FrontEnd(StrEnum):
    """Who asks."""

    VALIDATE = "config validate"
    DOCTOR = "doctor"
    OFFLINE = "doctor --offline"
    SERVE = "serve"
    RELOAD = "SIGHUP"
    REHEARSE = "rehearse"
    """GitHub, and who may ask a server, are none of its business."""


class Finding(NamedTuple):
    """What one check found."""

    level: Level
    message: str
    hint: str = ""
    error: RunnerctlError | None = None
    """What a front end that cannot go on with it raises; None where all can."""
    check: str = ""
    stops_serve: bool = False
    """``serve`` does not start like this, and SIGHUP leaves the old settings in force."""


class Subject(NamedTuple):
    """What is looked at."""

    services: Services
    """By the settings in question."""
    address: listening.Address | None = None
    """Where a server listens already, whatever the settings say."""
    serving: Services | None = None
    """What a server works with now, when the settings are read again."""
    reads_state: bool = True
    """False: the state directory is not to be opened."""
    offline: bool = False
    """GitHub is not to be asked."""
    restart_kills: Callable[[], str | None] | None = None
    """What a restart of the server's own unit would do to runners, in a sentence."""
    outdated_units: Callable[[Path], list[str] | None] | None = None
    """Which files of the service for that state directory are not as this version writes them; None without one."""


class Check(NamedTuple):
    name: str
    look: Callable[[Subject], Iterator[Finding]]
    asked_by: frozenset[FrontEnd]


def findings(front_end: FrontEnd, subject: Subject) -> Iterator[Finding]:
    """In the order of ``CHECKS``; what a check raises is a failure that it found. Nothing is told twice."""
    told: set[str] = set()
    for check in CHECKS:
        if front_end in check.asked_by:
            for each in _findings(check, subject):
                if each.message not in told:
                    told.add(each.message)
                    stops = each.error is not None and FrontEnd.SERVE in check.asked_by
                    yield each._replace(check=check.name, stops_serve=stops)


def require(front_end: FrontEnd, subject: Subject) -> list[Finding]:
    """What is worth a warning. Raises the error of the first finding that ``serve`` cannot go on with."""
    warnings = []
    for each in findings(front_end, subject):
        if each.error is not None:
            raise each.error
        if each.level is not Level.OK:
            warnings.append(each)
    return warnings


def _findings(check: Check, subject: Subject) -> Iterator[Finding]:
    try:
        yield from check.look(subject)
    except RunnerctlError as exc:
        yield Finding(Level.FAIL, exc.message, exc.hint or "", error=exc)


def _settings(subject: Subject) -> Iterator[Finding]:
    settings = subject.services.settings
    for warning in settings.warnings:
        yield Finding(Level.WARN, warning)
    subject.services.check_fitting()
    if settings.github.app_id and settings.github.pat:
        yield Finding(Level.WARN, "GITHUB_PAT is ignored because a GitHub App is set")
    source = f"env file {settings.env_file}" if settings.env_file else "no env file"
    yield Finding(Level.OK, f"{source[0].upper()}{source[1:]}")


def _typed(subject: Subject) -> Iterator[Finding]:
    """What surprises whoever types commands here."""
    from .settings.files import skipped_env_files

    settings = subject.services.settings
    for skipped in skipped_env_files(settings.env_file):
        yield Finding(Level.OK if settings.env_file else Level.WARN, skipped)
    if settings.remote is not None:
        yield Finding(Level.WARN, f"{settings.remote}: other commands refuse to run", "Unset the variable")


def _persistent(subject: Subject) -> Iterator[Finding]:
    from .engine.github_side.config_sh import unreachable

    if (why := unreachable(subject.services.settings)) is not None:
        by_default = not subject.services.settings.defaults.ephemeral
        yield Finding(Level.WARN if by_default else Level.OK, why)


def _restart(subject: Subject) -> Iterator[Finding]:
    """What a server cannot change while it runs."""
    if subject.serving is None:
        return
    now, new = subject.serving.settings, subject.services.settings
    if new.state_dir != now.state_dir:
        raise ConfigInvalid(f"state_dir has changed to {str(new.state_dir)!r}", hint="Restart the server to change it")
    if (backend := subject.services.backend.name) != subject.serving.backend.name:
        raise ConfigInvalid(f"The backend has changed to {backend}", hint="Restart the server to change it")
    if now.server.tls_cert is not None and new.server.tls_cert is None:
        raise ConfigInvalid("No TLS certificate is set any more", hint="Restart the server to listen without TLS")
    if new.server.bind != now.server.bind:
        yield Finding(Level.WARN, f"server.bind has changed to {new.server.bind!r}: restart the server to listen there")
    if now.server.tls_cert is None and new.server.tls_cert is not None:
        yield Finding(Level.WARN, "A TLS certificate is set: restart the server to listen with TLS")


def _secrets(subject: Subject) -> Iterator[Finding]:
    left = readable_secrets.world_readable_secret_files(subject.services.settings)
    for sentence in left:
        yield Finding(Level.FAIL, sentence)
    if not left:
        yield Finding(Level.OK, "No secret file is world-readable")


def _credentials(subject: Subject) -> Iterator[Finding]:
    settings = subject.services.settings
    credentials.check_github(settings)
    app = settings.github.app_id
    yield Finding(Level.OK, f"GitHub App {app} is set" if app else "A personal access token is set")


def _github(subject: Subject) -> Iterator[Finding]:
    """One call."""
    identity = subject.services.github.identify()
    yield Finding(Level.OK, f"Signed in to {subject.services.settings.github.api_url} as {identity.name}")
    ahead = identity.clock_ahead
    if ahead is not None and abs(ahead) > _MOST_SKEW:
        way = "behind" if ahead > 0 else "ahead of"
        yield Finding(Level.WARN, f"This host's clock is {abs(ahead):.0f} s {way} GitHub's", "Run an NTP client")


def _listening(subject: Subject) -> Iterator[Finding]:
    settings = subject.services.settings
    address = subject.address or listening.parse(settings.server.bind)
    listening.check_address(settings, address)
    listening.tls(settings)
    listening.check_no_job_is_member(settings)
    yield Finding(Level.OK, f"serve listens at {address}")


_MAKE_ONE = "Set GITHUB_WFA_RUNNER_SERVER__API_TOKEN, for example to the output of: openssl rand -hex 32"


def _callers(subject: Subject) -> Iterator[Finding]:
    """Who may ask a server for runners."""
    token = credentials.api_token(subject.services.settings)
    policy = workflow_policy(subject.services.settings)
    if token is None and policy is None and not _has_api_tokens(subject):
        error = ConfigInvalid(
            "No API token is set: anybody could create runners",
            hint=_MAKE_ONE,
        )
        message = "No API token is set: `runnerctl serve` would refuse to start"
        yield Finding(Level.WARN, message, error.hint or "", error=error)
    elif policy is not None and not policy.rules:
        yield Finding(Level.WARN, "oidc.issuer is set without oidc.rules: no workflow is allowed")
    elif token is not None and (why := credentials.weakness(token)) is not None:
        error = ConfigInvalid(f"The API token {why}: anybody could guess it", hint=_MAKE_ONE)
        yield Finding(Level.FAIL, error.message, _MAKE_ONE, error=error)
    else:
        yield Finding(Level.OK, "serve requires a token")


def _has_api_tokens(subject: Subject) -> bool:
    there = subject.reads_state and (subject.services.settings.state_dir / "runnerctl.db").exists()
    return there and bool(subject.services.store.tokens())


def _whose(subject: Subject) -> Iterator[Finding]:
    """Raises ``StateOfAnotherHost`` for a state directory that was copied here."""
    if not subject.reads_state:
        return
    if (refused := subject.services.whose.refusal) is not None:
        raise refused
    if subject.services.whose.machine is None:
        message = "This machine has no id (/etc/machine-id): a copy of its state on another machine is not noticed"
        yield Finding(Level.WARN, message, "systemd-machine-id-setup, or mount the host's file into the container")


def _directories(subject: Subject) -> Iterator[Finding]:
    settings = subject.services.settings
    for setting, path in ((HostSection.state_dir, settings.state_dir), (DefaultsSection.base_dir, settings.base_dir)):
        if not check_usable(path):
            yield Finding(
                Level.WARN, f"{setting.key} {str(path)!r} does not exist yet; runnerctl creates it when needed"
            )
    noexec.check(settings)
    listable.check(settings, units=subject.services.backend.name == "systemd")
    yield Finding(Level.OK, f"Runners in {settings.base_dir}, state in {settings.state_dir}")


def _packages(subject: Subject) -> Iterator[Finding]:
    settings = subject.services.settings
    check_usable(settings.package_dir)
    if _device(settings.base_dir) != _device(settings.package_dir):
        message = f"{str(settings.package_dir)!r} is on another file system than the runners: each runner gets a copy"
        yield Finding(Level.WARN, message, "Set package_dir to a directory on the same file system")
    disk.require_free((settings.base_dir, settings.state_dir, settings.package_dir), settings.min_free_space)


def _device(path: Path) -> int:
    return next(each for each in (path, *path.absolute().parents) if each.exists()).stat().st_dev


def _jobs(subject: Subject) -> Iterator[Finding]:
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
        from .backends import confinement

        if (why := confinement.weakness()) is not None:
            yield Finding(Level.WARN, why, "Set run_as, or run `sudo runnerctl service install`")


def _backend(subject: Subject) -> Iterator[Finding]:
    """What it finds itself, whichever it is."""
    for problem in subject.services.backend.check():
        error = ConfigInvalid(problem.message, hint=problem.hint) if problem.fatal else None
        yield Finding(Level.FAIL if problem.fatal else Level.WARN, problem.message, problem.hint or "", error=error)


def _job_env(subject: Subject) -> Iterator[Finding]:
    """What jobs get of variables, and whether the files are there that those name."""
    from .domain import job_env
    from .settings import job_variables

    given = job_variables.of(subject.services.settings)
    subject.services.check_job_env({}, persistent=True)
    for name in sorted(job_env.HOOKS & given.keys()):
        if given[name] and not Path(given[name]).is_file():
            raise ConfigInvalid(
                f"{name} names {given[name]!r}, which is no file: every job would fail",
                hint="Put the script there, readable for every user that jobs run as, or name another",
            )
        yield from _kept_hook(subject, name, given[name])
    yield from _closed_variables(subject, given)
    certificates = given.get("NODE_EXTRA_CA_CERTS")
    if certificates and not Path(certificates).is_file():
        yield Finding(Level.WARN, f"NODE_EXTRA_CA_CERTS names {certificates!r}, which is no file: Node.js ignores it")
    if given:
        yield Finding(Level.OK, f"Jobs get {', '.join(sorted(given))}")


def _closed_variables(subject: Subject, given: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that lead jobs to where they may not go: the home of our user."""
    from .domain import job_env
    from .settings.kept_from_jobs import why_closed

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
    from .settings.kept_from_jobs import why_kept

    services = subject.services
    units = services.backend.name == "systemd"
    why = why_kept(Path(script), services.settings, units=units) if script else None
    if why is not None:
        message = f"{name} names {script!r}, which jobs cannot read: {why}: every job fails"
        yield Finding(Level.WARN, message, "Put the script where every user can read it, such as below /opt/hooks")


def _certificates(subject: Subject) -> Iterator[Finding]:
    services = subject.services
    why = certificates.kept_from_runners(services.settings, units=services.backend.name == "systemd")
    if why is not None:
        yield Finding(Level.WARN, why, "Put the file where every user can read it, such as below /etc/ssl")


def _runner_needs(subject: Subject) -> Iterator[Finding]:
    """Libraries and certificates, without which a Listener or config.sh dies with a stack of .NET's."""
    from .host import runner_needs
    from .settings import job_variables

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


def _kernel(subject: Subject) -> Iterator[Finding]:
    """By what a runner's processes are found again, whatever they do."""
    from .host import cgroups

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


def _visibility(subject: Subject) -> Iterator[Finding]:
    """Whether the runners' processes can be seen, by whoever this process has become."""
    from .host import processes, visibility

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


def _own_unit(subject: Subject) -> Iterator[Finding]:
    if subject.restart_kills is None or subject.services.backend.name != "process":
        return
    if (why := subject.restart_kills()) is not None:
        yield Finding(Level.WARN, why)


def _service(subject: Subject) -> Iterator[Finding]:
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


def _versions(subject: Subject) -> Iterator[Finding]:
    """When the versions end that run here. Whoever asks GitHub anyway asks it that, too, where it is not known."""
    from .domain.version_end import version_text
    from .engine.github_side import version_ends
    from .packages import version_policy

    services = subject.services
    if not (services.settings.state_dir / "runnerctl.db").exists() or services.whose.refusal is not None:
        return
    live, now = services.store.live(), services.clock.now()
    if not subject.offline:
        version_ends.refresh(services, live)
    warnings = version_ends.version_warnings(services, live)
    for warning in warnings:
        yield Finding(Level.WARN, warning, _RENEWAL)
    ends = {(runner.scope, end) for runner in live if (end := version_ends.end_of_runner(services, runner)) is not None}
    for scope, end in sorted(ends, key=str):
        if version_policy.doubt(end, now) is None:
            yield Finding(Level.OK, f"{scope}: runner {version_text(end, now)}")


def _state(subject: Subject) -> Iterator[Finding]:
    from .engine.github_side.breaker import held_back
    from .engine.orphans import orphans_text

    services = subject.services
    if not (services.settings.state_dir / "runnerctl.db").exists():
        yield Finding(Level.OK, "No runner was created here yet")
        return
    store = services.store
    if (left := orphans_text(services)) is not None:
        yield Finding(Level.WARN, left, "`runnerctl orphans` shows why, and what clears them")
    for reason in held_back(services):
        yield Finding(Level.WARN, reason)
    yield Finding(Level.OK, f"This host has {counted(len(store.live()), 'runner')}")


_ALL = frozenset(FrontEnd)
_SERVED = _ALL - {FrontEnd.REHEARSE}
_DOCTOR = frozenset({FrontEnd.DOCTOR, FrontEnd.OFFLINE})
_HOST = _DOCTOR | {FrontEnd.REHEARSE}

CHECKS = (
    Check("settings", _settings, _ALL),
    Check("settings", _typed, _DOCTOR),
    Check("settings", _persistent, _SERVED),
    Check("settings", _restart, frozenset({FrontEnd.RELOAD})),
    Check("secrets", _secrets, _ALL),
    Check("credentials", _credentials, _SERVED),
    Check("github", _github, frozenset({FrontEnd.DOCTOR})),
    Check("listening", _listening, _SERVED),
    Check("callers", _callers, _SERVED),
    Check("state", _whose, _ALL),
    Check("directories", _directories, _ALL),
    Check("directories", _packages, _HOST),
    Check("backend", _backend, _ALL),
    Check("jobs", _jobs, _ALL),
    Check("jobs", _job_env, _ALL),
    Check("jobs", _certificates, _ALL),
    Check("libraries", _runner_needs, _HOST | {FrontEnd.SERVE}),
    Check("kernel", _kernel, _HOST),
    Check("kernel", _visibility, _HOST | {FrontEnd.SERVE}),
    Check("service", _own_unit, frozenset({FrontEnd.SERVE})),
    Check("service", _service, _DOCTOR),
    Check("versions", _versions, _DOCTOR),
    Check("state", _state, _DOCTOR),
)
"""A check that ``serve`` is not asked for never stops it."""
