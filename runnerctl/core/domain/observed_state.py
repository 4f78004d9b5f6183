"""The state that a runner's processes show."""

from __future__ import annotations

from .models import Runner
from .observation import Observation, Outcome, Phase
from .states import RunnerState as S

_STATE_OF = {Phase.LISTENING: S.IDLE, Phase.BUSY: S.BUSY, Phase.STARTING: S.STARTING, Phase.UPDATING: S.STARTING}
_FORGOTTEN_SECONDS = 150.0
"""So long after its last poll GitHub may still show a runner as online."""
_OBSERVABLE = frozenset({S.STARTING, S.IDLE, S.BUSY})


def observed_state(runner: Runner, processes: Observation) -> S:
    """The row's own where seeing decides nothing."""
    if processes.gone or processes.phase is None or runner.state not in _OBSERVABLE:
        return runner.state
    if processes.phase is Phase.CONNECTING and runner.state is S.BUSY:
        return S.IDLE  # by its Worker, not by its word; else that word decides nothing
    return _STATE_OF.get(processes.phase, runner.state)


def shown_state(runner: Runner, processes: Observation) -> S:
    """The same for who only looks: also of one that has ended, before anybody has written that down.

    Without a server, a row says ``starting`` from its create to its end.
    """
    undecided = processes.running is not False or runner.started_at is None
    if runner.state not in _OBSERVABLE or undecided:
        return observed_state(runner, processes)
    if processes.supervised:
        return S.STOPPING if processes.phase is Phase.STOPPING else observed_state(runner, processes)
    if processes.outcome is Outcome.OUTDATED:
        return S.STARTING  # it gets another version and goes on
    unused = processes.outcome is Outcome.STOPPED and processes.jobs_run == 0
    return S.REMOVING if runner.ephemeral and not unused else S.STOPPED


def has_reconnected(runner: Runner, processes: Observation) -> bool:
    """By GitHub's list: a Listener whose polls failed for a while says nothing when they succeed again."""
    since, seen_at = processes.phase_at, runner.github_seen_at
    if processes.phase is not Phase.CONNECTING or since is None or seen_at is None:
        return False
    return runner.github_status == "online" and seen_at - since > _FORGOTTEN_SECONDS
