"""From a row in ``pending`` to a runner that GitHub knows and that has everything but its processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...backends.base import Jit, Provision
from ...domain.errors import ConfigInvalid, GitHubError, GitHubNoAnswer, RunnerExists
from ...domain.models import Runner
from ...domain.states import Desired, RunnerState
from ..github_side import config_sh, exposure, packages, registration

if TYPE_CHECKING:
    from ...backends.base import Accepted, Backend
    from ...packages.store import Package
    from ...services import Services
    from ..github_side.registration import TakeOver
    from ..making import Making
    from ..plan import Action, Seen


def fetch_package(services: Services, seen: Seen, _: Action, making: Making | None) -> None:
    runner = seen.runner
    exposure.check(services, runner)
    assert making is not None  # noqa: S101 - nobody else comes here
    making.keep_package(packages.fetched(services, runner.scope, runner.version, making.progress))


def provision(services: Services, seen: Seen, _: Action, making: Making | None) -> None:
    """Its place, built under the id and published under the name; from now on GitHub may have been asked."""
    runner = seen.runner
    exposure.check(services, runner)
    version, handle = _provisioned(services, runner)
    if making is not None:
        making.let_package_go()  # what is linked is used, and stays
    services.store.amend(runner, version=version, handle=handle, asked_at=services.clock.now())


def _provisioned(services: Services, runner: Runner) -> tuple[str, str]:
    """Its version and its handle."""
    backend = services.backends.of(runner)
    if not backend.capabilities.package:
        return runner.version, backend.provision(_spec(runner, None))
    with packages.kept(services, runner.scope, runner.version) as package:
        return package.version, backend.provision(_spec(runner, package))


def _spec(runner: Runner, package: Package | None) -> Provision:
    return Provision(
        runner_id=runner.id,
        name=runner.name,
        ephemeral=runner.ephemeral,
        base_dir=Path(runner.root).parent,
        package=package,
        user=runner.job_user,
        env=runner.env,
    )


def register(services: Services, seen: Seen, _: Action, making: Making | None) -> None:
    """One call for an ephemeral one; its answer is durable in the runner's place before the row says so."""
    runner = seen.runner
    backend, handle = services.backends.reach(runner)
    if making is not None and runner.daemonize:
        # One that belongs to a process is started with its lease: what waited could not be given it.
        making.prepare(backend, handle)
    take_over = None if making is None else making.take_over
    github_id, handle = _identity(services, runner, backend, handle, take_over)
    # GitHub may have taken its time: nothing is started of one that is not wanted any more.
    current = services.store.get(runner.id)
    wanted = current is None or current.desired is Desired.RUNNING
    services.store.transition(
        runner,
        *((RunnerState.REGISTERED, RunnerState.STARTING) if wanted else (RunnerState.REGISTERED,)),
        why=None if take_over is None or take_over.github_id is None else take_over.text,
        github_id=github_id,
        handle=handle,
    )


def register_again(services: Services, seen: Seen, _: Action, __: Making | None) -> None:
    """A persistent one of which GitHub has no registration any more gets another, where it is.

    With programs fresh from the package: where jobs are not kept from changing them, its ``config.sh`` may be theirs,
    and it is given a registration token.
    """
    runner = seen.runner
    exposure.check(services, runner)
    backend, handle = services.backends.reach(runner)
    github_id = _registered_meanwhile(services, runner, backend.accepted(handle))
    if github_id is None:
        if backend.capabilities.package:
            with packages.kept(services, runner.scope, runner.version) as package:
                handle = backend.upgrade(handle, package)
        runner = services.store.amend(runner, asked_at=services.clock.now())
        github_id, handle = _identity(services, runner, backend, handle, None)
    services.store.amend(
        runner,
        github_id=github_id,
        handle=handle,
        # That it was registered says nothing of whether it is online: only a listing does.
        github_status=None,
        github_busy=None,
        github_seen_at=None,
    )
    services.store.note_absences({}, seen=[runner.id])


def _registered_meanwhile(services: Services, runner: Runner, known: int | bool | None) -> int | None:
    """Whoever tried before may have died when that was done: its identity is not the one that GitHub deleted."""
    if known is None or known is True or known is False:
        return None
    return known if services.github.get_runner(runner.scope, known) is not None else None


def _identity(
    services: Services, runner: Runner, backend: Backend, handle: str, take_over: TakeOver | None
) -> tuple[int | None, str]:
    if runner.ephemeral:
        with _nothing_made_if_refused(services, runner):
            jit = registration.ask(services, runner, take_over=take_over)
        return jit.runner.id, backend.accept(handle, Jit(jit.encoded)).handle
    with _nothing_made_if_refused(services, runner):
        accepted = _configured(services, runner, take_over)
    return accepted.github_id, accepted.handle


def _configured(services: Services, runner: Runner, take_over: TakeOver | None) -> Accepted:
    try:
        return config_sh.configure(services, runner)
    except RunnerExists as exc:
        registration.make_way(services, runner, exc, take_over=take_over)
    return config_sh.configure(services, runner)


@contextmanager
def _nothing_made_if_refused(services: Services, runner: Runner) -> Iterator[None]:
    """Refused for certain: there is nothing to look for at GitHub."""
    try:
        yield
    except (GitHubError, RunnerExists, ConfigInvalid) as exc:
        if not isinstance(exc, GitHubNoAnswer):
            services.store.amend(runner, asked_at=None)
        raise
