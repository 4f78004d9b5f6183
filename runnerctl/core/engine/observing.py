"""All that is known of one row at this moment, gathered for ``plan``. Nothing is changed, and GitHub is not asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from ..domain.errors import BackendFailed
from ..domain.models import OrphanKind, Runner
from ..domain.observation import NOTHING as NO_PROCESSES
from ..domain.observation import Observation, Outcome
from ..domain.states import UNLAUNCHED, RunnerState
from . import failures, restarting
from .plan import Action, Deadlines, Now, Seen, plan, wanted
from .situation import Wanted

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..services import Services


def decide(services: Services, runner: Runner, *, absences: int = 0, processes: Observation | None = None) -> Action:
    """The next step for it as it looks now. Without its lock only a glance: it may change just now.

    ``processes``: how they were seen by ``observe_at_once``. Raises ``BackendFailed`` when it cannot be looked at.
    """
    seen = observe(services, runner, absences=absences, processes=processes)
    return plan(seen, now=now(services), deadlines=deadlines(services))


def observe_at_once(services: Services, runners: Iterable[Runner]) -> dict[str, Observation]:
    """By id, those whose backend is asked once for all of them; what was so a while ago, for a glance alone."""
    asked: dict[Backend, dict[str, str]] = {}
    for runner in runners:
        with suppress(BackendFailed):  # whoever looks at that one meets it
            backend, handle = services.backends.reach(runner)
            if backend.observes_at_once:
                asked.setdefault(backend, {})[handle] = runner.id
    return {ids[handle]: seen for backend, ids in asked.items() for handle, seen in _listed(backend, ids).items()}


def _listed(backend: Backend, handles: Iterable[str]) -> Mapping[str, Observation]:
    try:
        return backend.observe_all(handles)
    except Exception:  # a fault of that backend's, or ours: its runners are looked at one by one, and all others too
        import logging  # a status must be quick

        logging.getLogger("runnerctl.core").exception("the runners of backend %s could not be listed", backend.name)
        return {}


def now(services: Services) -> Now:
    clock = services.clock
    return Now(wall=clock.now(), boot=clock.boottime(), boot_id=clock.boot_id())


def deadlines(services: Services) -> Deadlines:
    ladder = services.ladder
    return Deadlines(
        start=services.settings.start_timeout,
        stop=ladder.interrupt + ladder.terminate + ladder.kill + 10.0,
        ladder=ladder.interrupt + ladder.terminate + ladder.kill + 1.0,
        force=services.settings.stop.force,
    )


def observe(
    services: Services,
    runner: Runner,
    *,
    absences: int = 0,
    driven: bool = False,
    processes: Observation | None = None,
) -> Seen:
    """Raises ``BackendFailed`` when it cannot be looked at."""
    with failures.one_runners_own(runner):
        return _observe(services, runner, absences=absences, driven=driven, processes=processes)


def _observe(services: Services, runner: Runner, *, absences: int, driven: bool, processes: Observation | None) -> Seen:
    backend, handle = services.backends.reach(runner)
    seen = backend.observe(handle) if processes is None else processes
    if seen.running is None:
        from .left_to_server import not_visible  # seldom, and a status must be quick

        raise not_visible(runner, seen)
    died = seen.gone and not seen.ended
    working = seen.working
    if working is None or (not working and _is_at_stake(runner, absences)):
        # A stopped one has nothing to watch, and whoever makes one knows that it was not launched yet.
        never_launched = driven and runner.started_at is None
        working = not (never_launched or _rests(runner)) and backend.working(handle)
    half_made = runner.state in UNLAUNCHED and not runner.ephemeral and runner.handle is not None
    # An ephemeral one that is half made goes, whatever it was given.
    looked_at = half_made or (died and runner.state not in UNLAUNCHED)
    identity = backend.accepted(handle) if looked_at else None
    return Seen(
        runner=runner,
        processes=seen,
        supervised=bool(seen.supervised),
        working=working,
        package=driven and runner.handle is None and _has_package(services, runner),
        driven=driven,
        orphaned=runner.state is RunnerState.REMOVING and _has_registration(services, runner),
        absences=absences,
        unconfigured=died and identity is False,
        accepted=half_made and type(identity) is int,
        ends=ends_in_a_row(services, runner),
        held_back=_seconds_held_back(services, runner) if seen.outcome is Outcome.OUTDATED else None,
        refused=failures.is_busy(runner.last_error),
        replaced=services.settings.replace_lost,
    )


def _has_registration(services: Services, runner: Runner) -> bool:
    return services.store.has_orphan(runner.id, OrphanKind.REGISTRATION)


def _is_at_stake(runner: Runner, absences: int) -> bool:
    """A step may follow that ends a job: one that its supervisor has not read of yet has to be found, too."""
    return wanted(runner) is not Wanted.RUN or absences > 0 or runner.offline_since is not None


def _seconds_held_back(services: Services, runner: Runner) -> float | None:
    from .github_side import breaker  # seldom, and a status must be quick

    backoff = breaker.backoff(services, runner.scope)
    return None if backoff is None else backoff.until - services.clock.now()


def of_ended(services: Services, runner: Runner) -> Seen:
    """Of one whose life has ended nothing runs."""
    return Seen(
        runner=runner,
        put_off=not services.store.is_orphan_due(runner.id),
        processes=NO_PROCESSES,
        supervised=False,
        working=False,
        orphaned=services.store.has_orphan(runner.id),
    )


def _has_package(services: Services, runner: Runner) -> bool:
    from .github_side import packages  # a status must be quick

    if not services.backends.of(runner).capabilities.package:
        return True
    return packages.is_at_hand(services, runner.scope, runner.version)


def _rests(runner: Runner) -> bool:
    return runner.state is RunnerState.STOPPED and not restarting.is_wanted(runner)


def ends_in_a_row(services: Services, runner: Runner) -> int:
    """How often in a row one that rests, and should run, has ended by itself; 0 for any other."""
    if runner.state is not RunnerState.STOPPED or not restarting.is_wanted(runner):
        return 0
    return restarting.ends_in_a_row(services.store.history(runner.id, last=restarting.EVENTS))


def seconds_to_restart(services: Services, runner: Runner) -> float | None:
    """Of one that rests until it is started again by itself; None for any other."""
    ends = ends_in_a_row(services, runner)
    return restarting.left(runner, ends, services.clock.now()) if ends else None
