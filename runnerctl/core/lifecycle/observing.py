"""What the processes of a live runner say about its state."""

from __future__ import annotations

from ..backends.base import Observation, Phase
from ..models import Runner
from ..states import RunnerState

_STATE_OF = {
    Phase.LISTENING: RunnerState.IDLE,
    Phase.BUSY: RunnerState.BUSY,
    Phase.STARTING: RunnerState.STARTING,
    Phase.UPDATING: RunnerState.STARTING,
}
_OBSERVABLE = frozenset({RunnerState.STARTING, RunnerState.IDLE, RunnerState.BUSY})


def observed_state(runner: Runner, seen: Observation) -> RunnerState:
    """The state by what is seen; the row's own where seeing decides nothing."""
    if seen.gone or seen.phase is None or runner.state not in _OBSERVABLE:
        return runner.state
    return _STATE_OF.get(seen.phase, runner.state)
