"""A runner whose version GitHub refuses gets the version that GitHub offers; its registration stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.errors import RunnerctlError
from ...domain.models import Runner
from ...domain.version_end import date
from ...packages.version_policy import has_ended, order
from . import breaker, packages, version_ends

if TYPE_CHECKING:
    from ...packages.store import Package
    from ...services import Services


def newer_package(services: Services, runner: Runner) -> Package | str:
    """What GitHub offers now, unpacked here; or why that does not help.

    Raises ``NotNow``, and what asking or a download raises.
    """
    _ = services.github  # that this process has no credentials is no reason for others to wait
    try:
        offered = packages.offered(services, runner.scope)
    except RunnerctlError as exc:
        breaker.went_wrong(services, runner.scope, exc)
        raise
    if order(offered.version) > order(runner.version):
        return offered
    return _not_newer(services, runner, offered.version)


def _not_newer(services: Services, runner: Runner, offered: str) -> str:
    """GitHub has called its newest version too old for a while (actions/runner issue 4613): an outage, no end."""
    nothing = f"GitHub refuses version {runner.version} and offers {offered}, which is not newer"
    end = version_ends.end_of(services, runner.scope, runner.version)
    if end.runtime_at is not None and has_ended(end, services.clock.now()):
        return f"{nothing}, although that version ended on {date(end.runtime_at)}"
    return f"{nothing}; no date of its end has passed, so this counts as an outage at GitHub"


def package_ahead(services: Services, runner: Runner) -> Package | None:
    """The newer package that it is to get before its version ends, if it is on this host; GitHub is not asked."""
    newer = version_ends.end_of(services, runner.scope, runner.version).newer
    return None if newer is None else packages.at_hand(services, runner.scope, newer)


def upgraded(services: Services, runner: Runner, offered: Package) -> tuple[str, str]:
    """(version, handle) of the runner with that package. Raises ``BackendFailed`` or ``NotNow``."""
    try:
        backend, handle = services.backends.reach(runner)
        with packages.kept(services, runner.scope, offered.version) as package:
            handle = backend.upgrade(handle, package)
    except RunnerctlError as exc:
        breaker.went_wrong(services, runner.scope, exc)
        raise
    breaker.went_well(services, runner.scope)
    return offered.version, handle
