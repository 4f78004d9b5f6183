"""Whether settings and host can be used: one list for ``config validate``, ``doctor``, the start of ``serve``, SIGHUP.

``CHECKS`` says what is looked at, in which order, and who asks for it; one more check is a function and a line there.
Every check looks only: nothing is made or changed.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..domain.errors import RunnerctlError
from . import of_host, of_jobs, of_settings, of_state
from .finding import Check, Finding, FrontEnd, Level, Subject

__all__ = ["CHECKS", "Check", "Finding", "FrontEnd", "Level", "Subject", "findings", "require"]

_ALL = frozenset(FrontEnd)
_SERVED = _ALL - {FrontEnd.REHEARSE}
_DOCTOR = frozenset({FrontEnd.DOCTOR, FrontEnd.OFFLINE})
_HOST = _DOCTOR | {FrontEnd.REHEARSE}

CHECKS = (
    Check("settings", of_settings.settings, _ALL),
    Check("settings", of_settings.typed, _DOCTOR),
    Check("settings", of_settings.persistent, _SERVED),
    Check("settings", of_settings.restart, frozenset({FrontEnd.RELOAD})),
    Check("secrets", of_settings.secrets, _ALL),
    Check("credentials", of_settings.github_credentials, _SERVED),
    Check("github", of_state.github, frozenset({FrontEnd.DOCTOR})),
    Check("listening", of_settings.listening_address, _SERVED),
    Check("callers", of_settings.callers, _SERVED),
    Check("state", of_state.whose, _ALL),
    Check("directories", of_host.directories, _ALL),
    Check("directories", of_host.packages, _HOST),
    Check("backend", of_host.backend, _ALL),
    Check("jobs", of_jobs.jobs, _ALL),
    Check("jobs", of_jobs.job_env, _ALL),
    Check("jobs", of_jobs.job_certificates, _ALL),
    Check("libraries", of_host.runner_needs, _HOST | {FrontEnd.SERVE}),
    Check("kernel", of_host.kernel, _HOST),
    Check("kernel", of_host.visibility, _HOST | {FrontEnd.SERVE}),
    Check("service", of_host.own_unit, frozenset({FrontEnd.SERVE})),
    Check("service", of_host.service, _DOCTOR),
    Check("versions", of_state.versions, _DOCTOR),
    Check("state", of_state.state, _DOCTOR),
)
"""A check that ``serve`` is not asked for never stops it."""


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
