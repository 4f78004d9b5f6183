"""How each step of the table is taken. Each may have been taken before, by whoever died at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..table import Step
from . import making, recording, removing, renewing, running, stopping

if TYPE_CHECKING:
    from ...services import Services
    from ..making import Making
    from ..plan import Action, Seen

Act = Callable[["Services", "Seen", "Action", "Making | None"], None]

ACTS: dict[Step, Act] = {
    Step.FETCH_PACKAGE: making.fetch_package,
    Step.PROVISION: making.provision,
    Step.REGISTER: making.register,
    Step.REGISTER_AGAIN: making.register_again,
    Step.LAUNCH: running.launch,
    Step.ADOPT: running.adopt,
    Step.RECORD_STATE: recording.record_state,
    Step.RECORD_REASON: recording.record_reason,
    Step.MARK_STOPPED: recording.mark_stopped,
    Step.DRAIN_EXPOSED: stopping.drain_exposed,
    Step.RESTART: stopping.restart,
    Step.DRAIN: stopping.drain,
    Step.TAKE_BACK: stopping.take_back,
    Step.INTERRUPT: stopping.interrupt,
    Step.KILL: stopping.kill,
    Step.BEGIN_REMOVAL: removing.begin_removal,
    Step.REFUSE: removing.refuse,
    Step.DEREGISTER: removing.deregister,
    Step.FAIL: removing.end,
    Step.COMPLETE: removing.end,
    Step.REPLACE: removing.replace,
    Step.CLEAR_ORPHAN: removing.clear_orphan,
    Step.END_LIFE: removing.end_life,
    Step.RENEW: renewing.renew,
    Step.CONFIRM: renewing.confirm,
}
IDLE = frozenset({Step.NOTHING, Step.WAIT})
"""There is nothing to be done now."""
UNLOCKED = frozenset({Step.DEREGISTER, Step.CONFIRM, Step.CLEAR_ORPHAN})
"""Asks GitHub about a runner that lives: its row is free meanwhile, so that nothing else has to wait for the answer."""
GITHUB = frozenset({*UNLOCKED, Step.PROVISION, Step.REGISTER, Step.REGISTER_AGAIN, Step.RENEW})
"""Waits for GitHub, if only to be told whether a repository is public."""
HEARD_LATER = frozenset({Step.DRAIN, Step.INTERRUPT, Step.ADOPT})
"""The processes take a moment to show it."""
ASKED_SELDOM = HEARD_LATER | {Step.KILL}
"""Not asked again before the processes can have shown it; a kill is mostly done when it returns."""
