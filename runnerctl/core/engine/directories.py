"""Directories of runners that could not be deleted: the life ends all the same, and they are tried again.

What is in them is the backend's to clear; where root's rights are at hand, root does it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..domain.errors import BackendFailed, RunnerBusy, RunnerctlError
from ..domain.models import Orphan, OrphanKind, Runner
from ..host.row_locks import RowHeld, row_lock
from . import failures
from .github_side.orphans import FIRST_RETRY_SECONDS, postpone

_QUOTED = re.compile("'.*?'")

if TYPE_CHECKING:
    from ..backends.base import Backend, DeleteAsRoot, Left
    from ..services import Services


def keep(services: Services, runner: Runner, left: Left) -> str:
    """Remembers it before that life ends; returns a note for its history. Under the row's lock."""
    assert left.path is not None, left  # noqa: S101 - what may be in use keeps its life
    reason = _reason(left.message, left.path)
    orphan = services.store.keep_directory(
        runner, path=left.path, reason=reason, hint=left.hint, seconds=FIRST_RETRY_SECONDS
    )
    return f"Its directory is kept as orphan {orphan.id}: {reason}"


def _reason(message: str, path: str) -> str:
    """Without the path, which is told beside it."""
    return message.removeprefix(f"{path!r} is not deleted: ").removeprefix(f"{path!r} ")


def _is_the_same(reason: str, other: str) -> bool:
    """But for where it is in the directory: that was told best the first time."""
    return _QUOTED.sub("", reason) == _QUOTED.sub("", other)


def forget(services: Services, runner: Runner) -> None:
    """It is deleted after all."""
    if services.store.has_orphan(runner.id, OrphanKind.DIRECTORY):
        services.store.forget_orphan(runner.id, OrphanKind.DIRECTORY)


def clear(services: Services, orphan: Orphan, as_root: DeleteAsRoot | None) -> RunnerctlError | None:
    """Tries once; what it met."""
    try:
        _clear(services, orphan, as_root)
    except RowHeld:
        busy = RunnerBusy(f"Another process is changing runner {orphan.name!r}")
        postpone(services, orphan, busy)
        return busy
    except RunnerctlError as exc:
        postpone(services, orphan, exc)
        return exc
    return None


def _clear(services: Services, orphan: Orphan, as_root: DeleteAsRoot | None) -> None:
    with row_lock(services.row_locks, orphan.runner_id):
        runner = services.store.get(orphan.runner_id)
        if runner is None:
            services.store.forget_orphan(orphan.runner_id, OrphanKind.DIRECTORY)
            return
        if runner.live:
            raise RunnerBusy(f"Runner {runner.name!r} is still being removed")
        backend, handle = services.backends.reach(runner)
        with failures.one_runners_own(runner):
            refused = _refusal_of_root(backend, handle, as_root)
            left = backend.cleanup(handle)
        if not left:
            forget(services, runner)
            return
        why = left[0] if refused is None else left[0]._replace(message=refused.message, hint=refused.hint)
        path = why.path or orphan.path or runner.root
        reason = _reason(why.message, path)
        if path != orphan.path or not _is_the_same(reason, orphan.reason):
            services.store.explain_orphan(orphan, path=path, reason=reason, hint=why.hint)
        then = None if as_root is not None else f"{{clear_orphan {orphan.id}}}"
        raise BackendFailed(why.message, hint="; ".join(filter(None, (why.hint, then))) or None)


def _refusal_of_root(backend: Backend, handle: str, as_root: DeleteAsRoot | None) -> BackendFailed | None:
    """What even root could not do; None if it did all, or was not asked."""
    try:
        if as_root is not None:
            backend.clear_as_root(handle, as_root)
    except BackendFailed as exc:
        return exc
    return None
