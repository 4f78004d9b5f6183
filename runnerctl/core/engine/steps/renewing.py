"""A runner whose version GitHub refuses gets the version that GitHub offers; its registration stays."""

from __future__ import annotations

from ...domain.errors import RunnerctlError
from ...domain.models import Runner
from ...domain.states import RunnerState
from ...packages.store import Package
from ...packages.version_policy import order
from ...services import Services
from .. import breaker
from . import teardown
from .launching import start_again
from .unpacking import package_for, with_package


def renew(services: Services, runner: Runner) -> Runner:
    """For a runner without processes whose name is held: it runs again; if nothing newer is offered, an ephemeral one's
    life ends, and a persistent one is tried again less and less often.

    While its scope is left alone, nothing happens. Raises what a download or a start raises; the next sweep tries
    again.
    """
    if breaker.backoff(services, runner.scope) is not None:
        return runner
    _ = services.github  # that this process has no credentials is no reason for others to wait
    try:
        offered = package_for(services, runner.scope, "latest", None, fresh=True)
        if order(offered.version) <= order(runner.version):
            return _refused(services, runner, offered)
        package, handle = with_package(
            services, runner.scope, offered.version, None, lambda package: _upgraded(services, runner, package)
        )
        why = f"Updated from {runner.version} to {package.version}: GitHub refused the older"
        started = start_again(services, runner, why=why, version=package.version, handle=handle, reason=None)
    except RunnerctlError as exc:
        breaker.went_wrong(services, runner.scope, exc)
        raise
    breaker.went_well(services, runner.scope)
    return started


def _upgraded(services: Services, runner: Runner, package: Package) -> str:
    backend, handle = services.backends.reach(runner)
    return backend.upgrade(handle, package)


def _refused(services: Services, runner: Runner, offered: Package) -> Runner:
    """GitHub has called its newest version too old for a while (actions/runner issue 4613)."""
    reason = f"GitHub refuses version {runner.version} and offers {offered.version}, which is not newer"
    if not runner.ephemeral and runner.state is RunnerState.STOPPED:
        return start_again(services, runner, why=reason, reason=reason)
    if not runner.ephemeral:
        return services.store.transition(runner, RunnerState.STOPPED, why=reason, reason=reason)
    return teardown.clear(services, teardown.begin(services, runner, RunnerState.FAILED, reason=reason))
