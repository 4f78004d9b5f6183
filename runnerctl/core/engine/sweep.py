"""The sweep: every live runner observed, and its next steps taken, several runners at a time.

For ``runnerctl reconcile``; a server puts the same rows on its queue (``reconciler.py``).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..domain.errors import RunnerBusy, RunnerctlError
from ..domain.models import Orphan, Runner, Scope
from ..domain.observation import Observation
from .drive import ENDING, drive
from .github_side import find_exposed
from .github_side.rolling import renew_ahead
from .observing import decide, observe_at_once
from .operations.replacing import replace_lost
from .orphans import clear_orphans, orphans_text
from .plan import NOTHING, Action
from .steps.acts import IDLE

if TYPE_CHECKING:
    from ..services import Services
    from .github_side.registration_poller import RegistrationPoller

log = logging.getLogger("runnerctl.core")

_CROWD = 900
"""Runners of one scope."""
HELD_SECONDS = 1.0
"""Whoever only looks at a row lets it go within this time: the reaper of a life that has just ended, for one. Left to
it, a row whose wish came a moment after that look would wait for the next sweep."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A runner about which something is to be done, or was."""

    runner: Runner
    action: Action
    """The first of its steps."""
    error: RunnerctlError | None = None


@dataclass(frozen=True, kw_only=True)
class Sweep:
    findings: tuple[Finding, ...]
    orphans: str | None
    """How many are still to be cleared, in words."""
    replaced: tuple[Runner, ...] = ()
    """The new lives of runners that GitHub had lost."""
    unlisted: tuple[tuple[Scope, RunnerctlError], ...] = ()
    """Scopes of which GitHub could not be asked: nothing is known about their registrations."""
    uncleared: tuple[tuple[Orphan, RunnerctlError], ...] = ()
    """Those that could not be cleared in this try."""


def observe_runners(
    services: Services, runners: Iterable[Runner], poller: RegistrationPoller | None = None
) -> list[Finding]:
    """What is to be done, by an observation that holds nothing. No GitHub call.

    About one that could not be observed nothing is done, whatever the reason: its finding carries the error.
    """
    runners = list(runners)
    known = observe_at_once(services, runners)
    missed = poller.absences if poller else lambda _runner: 0
    findings = (_observe(services, runner, missed(runner), known.get(runner.id)) for runner in runners)
    return [finding for finding in findings if finding.error is not None or _goes_on(finding)]


def _goes_on(finding: Finding) -> bool:
    """There is a step to be taken, or one that was taken has a time by which it must have come to something."""
    if finding.action.step not in IDLE:
        return True
    return finding.runner.state in ENDING and finding.action.until is not None


def _observe(services: Services, runner: Runner, absences: int, processes: Observation | None) -> Finding:
    try:
        return Finding(runner=runner, action=decide(services, runner, absences=absences, processes=processes))
    except RunnerctlError as exc:
        return Finding(runner=runner, action=NOTHING, error=exc)
    except Exception as exc:  # the fault of one runner's data, or ours: all others are looked at all the same
        return Finding(runner=runner, action=NOTHING, error=_unexpected(runner, exc))


def _unexpected(runner: Runner, exc: Exception) -> RunnerctlError:
    log.error("an observation failed that should not", extra={"runner_id": runner.id})
    return RunnerctlError(f"Runner {runner.name!r}: {type(exc).__name__}: {exc}")


def sweep(services: Services, poller: RegistrationPoller | None = None, *, dry_run: bool = False) -> Sweep:
    """Observes everything once and takes the steps that are to be taken.

    ``poller`` asks GitHub where its turn has come; without, only this host is looked at. What was put off because it
    failed is tried now: somebody asked.
    """
    runners = services.store.live()
    if poller is not None:
        ask_github(services, poller, runners)
    if not dry_run:
        _make_due(services, runners)
        if poller is not None:
            renew_ahead(services, services.store.live())
    unlisted = () if poller is None else tuple(poller.failures.items())
    runners = services.store.live()
    findings = observe_runners(services, runners, poller)
    if dry_run:
        return Sweep(findings=tuple(findings), orphans=orphans_text(services), unlisted=unlisted)
    done = services.worker_pool.map(lambda finding: reconcile_finding(services, finding, poller), findings)
    cleared = clear_orphans(services, services.store.orphans())
    services.worker_pool.map(lambda runner: drive(services, runner.id, wait=HELD_SECONDS), cleared.released)
    return Sweep(
        findings=tuple(done),
        orphans=orphans_text(services),
        replaced=tuple(replace_lost(services)),
        unlisted=unlisted,
        uncleared=tuple(cleared.failures),
    )


def _make_due(services: Services, runners: Iterable[Runner]) -> None:
    for runner in runners:
        if runner.due is not None and runner.last_error is not None:
            services.store.note(runner.id, due=None)


def ask_github(services: Services, poller: RegistrationPoller, runners: Iterable[Runner]) -> list[str]:
    """About those whose turn has come: which registrations there are, and whose repository has become public.

    Returns the ids of runners that want another observation at once.
    """
    runners = list(runners)
    listed = set(poller.refresh(runners))
    crowds = {scope for scope, number in Counter(runner.scope for runner in runners).items() if number > _CROWD}
    # Where the list alone takes many calls, the repository is looked at another time.
    asked = [runner for runner in runners if (runner.scope in listed) != (runner.scope in crowds)]
    return find_exposed.refresh(services, asked)


def reconcile_finding(services: Services, finding: Finding, poller: RegistrationPoller | None = None) -> Finding:
    """Its steps; what they meet is part of the result. A runner that a command keeps at work is left to it."""
    if finding.error is not None:
        return finding
    try:
        absences = poller.absences if poller is not None else None
        progress = drive(services, finding.runner.id, wait=HELD_SECONDS, absences=absences)
    except RunnerBusy:
        return finding
    except RunnerctlError as exc:
        return Finding(runner=finding.runner, action=finding.action, error=exc)
    except Exception as exc:
        error = _unexpected(finding.runner, exc)
        return Finding(runner=finding.runner, action=finding.action, error=error)
    return Finding(runner=finding.runner, action=finding.action, error=progress.error)
