"""Making a runner: admitted, unpacked, registered, started."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..access.grants import TokenLimits
from ..backends import directory
from ..domain.errors import ConfigInvalid, GitHubError, GitHubNoAnswer, RunnerctlError, RunnerExists
from ..domain.models import Runner, RunnerSpec
from ..domain.states import RunnerState
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
    directory.check_directory(services.settings.base_dir)
    listable.check(services.settings, units=services.backend.name == "systemd")
    if not spec.ephemeral:
        check_reachable(services.settings)
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


def _make_room(services: Services, spec: RunnerSpec) -> None:
    """A runner of that name that finished or died is cleared away; one that lives, or a stranger's file, is not."""
    previous = services.store.latest(spec.name)
    if previous is not None and previous.live and reconcile_locked(services, previous).live:
        raise RunnerExists(f"Runner {spec.name!r} exists already", hint=REMOVE_FIRST)
    if directory.is_taken(services.root(spec.name)):
        raise RunnerExists(
            f"{str(services.root(spec.name))!r} is there already and not ours", hint="Choose another name, or move it"
        )


def _bring_up(services: Services, runner: Runner, *, leased: bool, progress: Progress | None) -> Runner:
    exposure.check(services, runner)
    package, root = with_package(
        services, runner.scope, runner.version, progress, lambda package: _make_root(services, runner, package)
    )
    runner = services.store.amend(runner, version=package.version, root_inode=root.inode, asked_at=services.clock.now())
    # A leased one is started with its lease: what waited could not be given it.
    with nullcontext() if leased else services.backend.prepare(runner.id):
        return start_processes(services, _registered(services, runner, root), leased=leased)


def _registered(services: Services, runner: Runner, root: directory.Root) -> Runner:
    try:
        directory.publish(root, runner.name)
        registered, encoded = _register(services, runner)
    except (GitHubError, RunnerExists, ConfigInvalid) as exc:
        if not isinstance(exc, GitHubNoAnswer):
            services.store.amend(runner, asked_at=None)  # refused for certain: there is nothing to look for
        raise
    if encoded is not None:
        directory.write_identity(services.root(runner.name), encoded, owner=runner.job_user)
    return services.store.transition(runner, RunnerState.REGISTERED, RunnerState.STARTING, **registered)


def _make_root(services: Services, runner: Runner, package: Package) -> directory.Root:
    run_dir = services.backend.run_dir(runner.id)
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log_link, pid_link = services.backend.links(runner.id)
    return directory.build(
        services.settings.base_dir,
        runner_id=runner.id,
        name=runner.name,
        package=package,
        log_link=log_link,
        pid_link=pid_link,
        owner=runner.job_user,
    )


def _register(services: Services, runner: Runner) -> tuple[dict[str, Any], str | None]:
    """What is to be written of the registration, and an ephemeral runner's JIT configuration."""
    encoded = None
    if runner.ephemeral:
        jit = registration.ask(services, runner)
        github_id, encoded = jit.runner.id, jit.encoded
    else:
        github_id = _configured(services, runner, services.root(runner.name))
    seen = {"github_status": "offline", "github_busy": False, "github_seen_at": services.clock.now()}
    return {**seen, "github_id": github_id}, encoded


def _configured(services: Services, runner: Runner, root: Path) -> int:
    try:
        return configure(services, runner, root)
    except RunnerExists:
        if not registration.make_way(services, runner):
            raise
    return configure(services, runner, root)


def _undo(services: Services, runner_id: str, exc: BaseException) -> None:
    """Whatever was made goes again; what GitHub will not clear now is kept as a task. The error itself is raised on."""
    runner = services.store.get(runner_id)
    if runner is None or not runner.live:
        return
    reason = exc.message if isinstance(exc, RunnerctlError) else f"Interrupted by {type(exc).__name__}"
    try:
        runner = teardown.begin(services, runner, RunnerState.FAILED, reason=reason)
    except RunnerctlError:
        services.backend.kill(runner_id)  # it cannot be written down, but what was refused must not run
        raise
    teardown.clear(services, runner)
