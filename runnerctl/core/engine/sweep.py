"""The sweep: every live runner is observed, and the next step of each is taken.

Deciding (``plan.plan``) is apart from doing; each step is taken under the runner's lock, after another observation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ..domain.errors import RunnerBusy, RunnerctlError
from ..domain.models import Runner
from ..services import Services
from . import reconcile_runner as reaping
from .operation import finish
from .orphans import finish_orphans
from .plan import KEEP, Action, Step
from .registration_poller import RegistrationPoller
from .remove import remove_runner
from .replacing import replace_lost
from .steps import find_exposed

_CROWD = 900
"""Runners of one scope."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A runner about which something is to be done, or was."""

    runner: Runner
    action: Action
    error: RunnerctlError | None = None


@dataclass(frozen=True, kw_only=True)
class Sweep:
    findings: tuple[Finding, ...]
    orphans: int
    """Registrations that are still to be cleared at GitHub."""
    replaced: tuple[Runner, ...] = ()
    """The new lives of runners that GitHub had lost."""


def observe_runners(
    services: Services, runners: Iterable[Runner], poller: RegistrationPoller | None = None
) -> list[Finding]:
    """What is to be done, by an observation that locks nothing. No GitHub call.

    About one that could not be observed nothing is done, whatever the reason: its finding carries the error.
    """
    findings = (_observe(services, runner, poller.absences(runner) if poller else 0) for runner in runners)
    return [finding for finding in findings if finding.error is not None or finding.action.step is not Step.KEEP]


def _observe(services: Services, runner: Runner, absences: int) -> Finding:
    try:
        return Finding(runner=runner, action=reaping.decide(services, runner, absences=absences))
    except RunnerctlError as exc:
        return Finding(runner=runner, action=KEEP, error=exc)


def sweep(services: Services, poller: RegistrationPoller | None = None, *, dry_run: bool = False) -> Sweep:
    """Observes everything once and reconciles what it finds, several runners at a time.

    ``poller`` asks GitHub where its turn has come; without, only this host is observed.
    """
    runners = services.store.live()
    if poller is not None:
        ask_github(services, poller, runners)
        runners = services.store.live()
    findings = observe_runners(services, runners, poller)
    if dry_run:
        return Sweep(findings=tuple(findings), orphans=len(services.store.orphans()))
    done = services.worker_pool.map(lambda finding: reconcile_finding(services, finding, poller), findings)
    done += services.worker_pool.map(
        lambda finding: reconcile_finding(services, finding), released(services, early=True)
    )
    return Sweep(findings=tuple(done), orphans=len(services.store.orphans()), replaced=tuple(replace_lost(services)))


def ask_github(services: Services, poller: RegistrationPoller, runners: Iterable[Runner]) -> list[str]:
    """About those whose turn has come: which registrations there are, and whose repository has become public.

    Returns the lives that are to be observed again at once.
    """
    runners = list(runners)
    listed = set(poller.refresh(runners))
    crowds = {scope for scope, number in Counter(runner.scope for runner in runners).items() if number > _CROWD}
    # Where the list alone takes many calls, the repository is asked about another time.
    asked = [runner for runner in runners if (runner.scope in listed) != (runner.scope in crowds)]
    return find_exposed.refresh(services, asked)


def released(services: Services, *, early: bool = False) -> list[Finding]:
    """Tries the orphan tasks; what is to be done about the runners whose removal waited for them."""
    resume = Action(Step.RESUME)
    return [Finding(runner=runner, action=resume) for runner in finish_orphans(services, early=early)]


def reconcile_finding(services: Services, finding: Finding, poller: RegistrationPoller | None = None) -> Finding:
    """One runner; what it meets is part of the result. One that a command is at work on is left to it."""
    runner = finding.runner
    if finding.error is not None:
        return finding
    try:
        _act(services, finding, poller)
        if finding.action.step is Step.ADOPT:
            # What the death of its supervisor held up goes on at once.
            for next_step in observe_runners(services, _still_live(services, runner), poller):
                _act(services, next_step, poller)
    except RunnerBusy:
        return finding
    except RunnerctlError as exc:
        return Finding(runner=runner, action=finding.action, error=exc)
    return finding


def _act(services: Services, finding: Finding, poller: RegistrationPoller | None) -> None:
    runner = finding.runner
    if finding.action.step is Step.RESUME:
        finish(remove_runner(services, runner.name), clock=services.clock)
    else:
        reaping.reconcile_runner(services, runner.id, wait=0, absences=poller.absences(runner) if poller else 0)


def _still_live(services: Services, runner: Runner) -> list[Runner]:
    current = services.store.get(runner.id)
    return [current] if current is not None and current.live else []
