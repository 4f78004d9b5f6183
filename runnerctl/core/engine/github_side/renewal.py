"""A runner whose version GitHub refuses gets the version that GitHub offers; its registration stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.errors import RunnerctlError
from ...domain.models import Runner
from ...packages.version_policy import order
from . import breaker, packages

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
    # GitHub has called its newest version too old for a while (actions/runner issue 4613).
    return f"GitHub refuses version {runner.version} and offers {offered.version}, which is not newer"


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
