"""Making a runner: admitted, unpacked, registered, started."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..access.grants import TokenLimits
from ..backends.base import Accepted, Jit, Provision
from ..domain.errors import ConfigInvalid, GitHubError, GitHubNoAnswer, RunnerctlError, RunnerExists
from ..domain.models import Runner, RunnerSpec
from ..domain.names import invalid
from ..domain.states import RunnerState
from ..host.directories import check_directory
from ..packages.store import Package
from ..services import Services
from ..settings import listable
from ..store.runners import REMOVE_FIRST
from . import exposure
from .admission import admit
from .locking import lock_for_create
from .operation import Operation
from .reconcile_runner import reconcile_locked
from .steps import registration, teardown
from .steps.configure import check_reachable, configure
from .steps.launching import start_processes
from .steps.unpacking import with_package
from .steps.until_online import until_online

Progress = Callable[[int, int | None], None]


class Wait(StrEnum):
    """What a create waits for before it answers."""

    STARTED = "started"
    ONLINE = "online"


def create_runner(
    services: Services,
    spec: RunnerSpec,
    *,
    wait: Wait = Wait.STARTED,
    timeout: float = 60.0,
    leased: bool = False,
    progress: Progress | None = None,
    limits: TokenLimits | None = None,
) -> Operation[Runner]:
    """Registers a runner and starts it; its result is the runner, whose process runs.

    ``leased``: the processes end with this process. ``progress`` hears of a download: bytes so far, bytes in all.
    ``limits`` are the caller's, if it is not the operator; beyond them it is ``Forbidden``, and so is a public
    repository that neither they nor the settings allow.
    Raises what GitHub, the disk or the backend refuse; then nothing is left of it but a row in ``failed`` and its log.
    ``DeadlineExceeded`` after ``timeout`` seconds of waiting undoes nothing.
    """
    if limits is not None:
        limits.check_create(spec)
        spec = replace(spec, may_be_public=limits.public_repositories)
    runner = _create(services, spec, leased=leased, progress=progress, limits=limits)
    if wait is Wait.ONLINE:
        yield from until_online(services, runner, timeout=timeout)
    return services.store.get(runner.id) or runner


def _create(
    services: Services, spec: RunnerSpec, *, leased: bool, progress: Progress | None, limits: TokenLimits | None
) -> Runner:
    check_directory(services.settings.base_dir)
    listable.check(services)
    if not spec.ephemeral:
        _check_persistent(services)
    _ = services.github  # no usable credentials: refused before anything is made
    with lock_for_create(services, spec.name):
        _make_room(services, spec)
        runner_id = services.store.new_id()  # known before: an interruption may come right behind the row's commit
        try:
            runner = admit(services, spec, limits, runner_id=runner_id)
            return _bring_up(services, runner, leased=leased, progress=progress)
        except BaseException as exc:
            _undo(services, runner_id, exc)
            raise


def _check_persistent(services: Services) -> None:
    """Raises ``InvalidRequest`` where none can be had."""
    if not services.backend.capabilities.persistent:
        raise invalid("ephemeral", f"The backend {services.backend.name} has no persistent runners")
    check_reachable(services.settings)


def _make_room(services: Services, spec: RunnerSpec) -> None:
    """A runner of that name that finished or died is cleared away; one that lives, or a stranger's file, is not."""
    previous = services.store.latest(spec.name)
    if previous is not None and previous.live and reconcile_locked(services, previous).live:
        raise RunnerExists(f"Runner {spec.name!r} exists already", hint=REMOVE_FIRST)
    services.backend.check_free(spec.name, services.settings.base_dir)


def _bring_up(services: Services, runner: Runner, *, leased: bool, progress: Progress | None) -> Runner:
    exposure.check(services, runner)
    version, handle = _provisioned(services, runner, progress)
    runner = services.store.amend(runner, version=version, handle=handle, asked_at=services.clock.now())
    # A leased one is started with its lease: what waited could not be given it.
    with nullcontext() if leased else services.backends.of(runner).prepare(handle):
        return start_processes(services, _registered(services, runner), leased=leased)


def _provisioned(services: Services, runner: Runner, progress: Progress | None) -> tuple[str, str]:
    """Its version and its handle."""
    if not services.backends.of(runner).capabilities.package:
        return runner.version, _provision(services, runner, None)
    package, handle = with_package(
        services, runner.scope, runner.version, progress, lambda package: _provision(services, runner, package)
    )
    return package.version, handle


def _provision(services: Services, runner: Runner, package: Package | None) -> str:
    spec = Provision(
        runner_id=runner.id,
        name=runner.name,
        ephemeral=runner.ephemeral,
        base_dir=Path(runner.root).parent,
        package=package,
        user=runner.job_user,
    )
    return services.backends.of(runner).provision(spec)


def _registered(services: Services, runner: Runner) -> Runner:
    """GitHub knows it, and it has its identity, before that is written down: a crash loses neither."""
    try:
        jit = registration.ask(services, runner) if runner.ephemeral else None
        accepted = _configured(services, runner) if jit is None else None
    except (GitHubError, RunnerExists, ConfigInvalid) as exc:
        if not isinstance(exc, GitHubNoAnswer):
            services.store.amend(runner, asked_at=None)  # refused for certain: there is nothing to look for
        raise
    if jit is not None:
        backend, handle = services.backends.reach(runner)
        accepted = backend.accept(handle, Jit(jit.encoded))._replace(github_id=jit.runner.id)
    assert accepted is not None  # noqa: S101 - one of the two it is
    seen: dict[str, Any] = {"github_status": "offline", "github_busy": False, "github_seen_at": services.clock.now()}
    states = (RunnerState.REGISTERED, RunnerState.STARTING)
    return services.store.transition(runner, *states, github_id=accepted.github_id, handle=accepted.handle, **seen)


def _configured(services: Services, runner: Runner) -> Accepted:
    try:
        return configure(services, runner)
    except RunnerExists:
        if not registration.make_way(services, runner):
            raise
    return configure(services, runner)


def _undo(services: Services, runner_id: str, exc: BaseException) -> None:
    """Whatever was made goes again; what GitHub will not clear now is kept as a task. The error itself is raised on."""
    runner = services.store.get(runner_id)
    if runner is None or not runner.live:
        return
    reason = exc.message if isinstance(exc, RunnerctlError) else f"Interrupted by {type(exc).__name__}"
    try:
        runner = teardown.begin(services, runner, RunnerState.FAILED, reason=reason)
    except RunnerctlError:
        backend, handle = services.backends.reach(runner)
        backend.kill(handle)  # it cannot be written down, but what was refused must not run
        raise
    teardown.clear(services, runner)
