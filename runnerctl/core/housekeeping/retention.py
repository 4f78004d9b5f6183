"""What ended goes after a while: logs first, then the knowledge that there was a runner."""

from __future__ import annotations

from dataclasses import dataclass

from ..domain.models import Runner
from ..services import Services

_BATCH = 200
"""Lives in one transaction: other writers wait no longer than for that."""


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """How much went."""

    logs: int = 0
    """Run directories of lives that ended."""
    lives: int = 0
    events: int = 0
    diag_files: int = 0
    tokens: int = 0
    """Revoked or expired."""
    requests: int = 0
    """With an ``Idempotency-Key``, whose answers were kept."""


def prune(services: Services) -> Pruned:
    """Deletes what is older than ``log_retention`` and ``history_retention`` allow; to be called now and then.

    A live runner loses nothing but old files of its own ``_diag``, a life that an orphan task needs stays. What cannot
    be deleted now is tried again by the next call.
    """
    now = services.clock.now()
    log_cutoff = now - services.settings.log_retention
    history_cutoff = now - services.settings.history_retention
    lives, events, logs = _forget_lives(services, history_cutoff)
    return Pruned(
        lives=lives,
        events=events,
        logs=logs + _delete_logs(services, log_cutoff),
        diag_files=sum(_tidy(services, runner, log_cutoff) for runner in services.store.live()),
        tokens=services.store.forget_tokens(history_cutoff),
        requests=services.store.forget_requests(),
    )


def _forget_lives(services: Services, cutoff: float) -> tuple[int, int, int]:
    """Lives, events, and logs, which nobody could ask for any more."""
    lives = events = logs = 0
    while batch := services.store.ended_before(cutoff, limit=_BATCH):
        events += services.store.forget(batch)
        lives += len(batch)
        logs += sum(any(backend.forget(runner_id) for backend in services.backends) for runner_id in batch)
    return lives, events, logs


def _delete_logs(services: Services, cutoff: float) -> int:
    return sum(
        backend.forget(runner_id)
        for backend in services.backends
        for runner_id, changed_at in list(backend.logged())
        if _log_is_over(services, runner_id, changed_at, cutoff)
    )


def _log_is_over(services: Services, runner_id: str, changed_at: float, cutoff: float) -> bool:
    runner = services.store.get(runner_id)
    if runner is not None:
        return not runner.live and runner.ended_at is not None and runner.ended_at < cutoff
    # A crash between row and directory, or a database that was lost.
    return changed_at < cutoff


def _tidy(services: Services, runner: Runner, cutoff: float) -> int:
    backend, handle = services.backends.reach(runner)
    return backend.tidy(handle, before=cutoff)
