"""What was observed, written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.states import SERVING, Desired, How, RunnerState

if TYPE_CHECKING:
    from ...services import Services
    from ..making import Making
    from ..plan import Action, Seen


def record_state(services: Services, seen: Seen, action: Action, _: Making | None) -> None:
    assert action.state is not None  # noqa: S101 - that step carries one
    explained = {"reason": None} if action.state in SERVING else {}
    # Whoever started it may have died before it wrote that down; that it runs is seen now.
    started = {} if seen.runner.started_at is not None else {"started_at": services.clock.now()}
    services.store.transition(seen.runner, action.state, why=action.reason, **explained, **started)


def record_reason(services: Services, seen: Seen, action: Action, _: Making | None) -> None:
    services.store.amend(seen.runner, reason=action.reason)


def mark_stopped(services: Services, seen: Seen, action: Action, _: Making | None) -> None:
    # What was wanted has come; of a restart, the other half is still to be done.
    come = {"how": How.GENTLE} if seen.runner.desired is Desired.STOPPED else {}
    services.store.transition(
        seen.runner,
        RunnerState.STOPPED,
        why=action.reason,
        reason=action.reason,
        started_at=None,
        deadline=None,
        **come,
    )
