"""The state that a runner's processes show."""

from __future__ import annotations

from .backends.base import Observation, Phase
from .models import Runner
from .states import RunnerState as S

_STATE_OF = {Phase.LISTENING: S.IDLE, Phase.BUSY: S.BUSY, Phase.STARTING: S.STARTING, Phase.UPDATING: S.STARTING}
_OBSERVABLE = frozenset({S.STARTING, S.IDLE, S.BUSY})


def observed_state(runner: Runner, processes: Observation) -> S:
    """The row's own where seeing decides nothing."""
    if processes.gone or processes.phase is None or runner.state not in _OBSERVABLE:
        return runner.state
    return _STATE_OF.get(processes.phase, runner.state)
