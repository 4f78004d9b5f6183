"""What ended goes after a while: logs first, then the knowledge that there was a runner."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..domain.errors import BackendFailed
from ..domain.models import Runner
from ..host.trash import delete_tree
from ..services import Services

_BATCH = 200
"""Lives in one transaction: other writers wait no longer than for that."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


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


def prune(services: Services) -> Pruned:
    """Deletes what is older than ``log_retention`` and ``history_retention`` allow; to be called now and then.

    A live runner loses nothing but old files of its own ``_diag``, a life that an orphan task needs stays. What cannot
    be deleted now is tried again by the next call.
    """
    now = services.clock.now()
    log_cutoff = now - services.settings.get("log_retention")
    history_cutoff = now - services.settings.get("history_retention")
    lives, events, logs = _forget_lives(services, history_cutoff)
    return Pruned(
        lives=lives,
        events=events,
        logs=logs + _delete_logs(services, log_cutoff),
        diag_files=sum(_prune_diag(services, runner, log_cutoff) for runner in services.store.live()),
        tokens=services.store.forget_tokens(history_cutoff),
    )


def _forget_lives(services: Services, cutoff: float) -> tuple[int, int, int]:
    """Lives, events, and logs, which nobody could ask for any more."""
    lives = events = logs = 0
    while batch := services.store.ended_before(cutoff, limit=_BATCH):
        events += services.store.forget(batch)
        lives += len(batch)
        logs += sum(_delete_log(services.backend.run_dir(runner_id)) for runner_id in batch)
    return lives, events, logs


def _delete_logs(services: Services, cutoff: float) -> int:
    return sum(_delete_log(run_dir) for run_dir in _run_dirs(services) if _log_is_over(services, run_dir, cutoff))


def _run_dirs(services: Services) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from (services.settings.state_dir / "runners").iterdir()


def _log_is_over(services: Services, run_dir: Path, cutoff: float) -> bool:
    runner = services.store.get(run_dir.name)
    if runner is not None:
        return not runner.live and runner.ended_at is not None and runner.ended_at < cutoff
    # A crash between row and directory, or a database that was lost.
    try:
        return run_dir.lstat().st_mtime < cutoff
    except FileNotFoundError:
        return False


def _delete_log(run_dir: Path) -> bool:
    if not os.path.lexists(run_dir):
        return False
    with suppress(BackendFailed):
        delete_tree(run_dir)
        return True
    return False


def _prune_diag(services: Services, runner: Runner, cutoff: float) -> int:
    """Old files in its ``_diag``; GitHub's runner deletes its own only when it opens new ones (contract §4).

    A job can put anything there, also in the place of the directory: nothing but plain files is touched.
    """
    if runner.ephemeral or runner.root_inode is None:
        return 0
    try:
        with _opened(services.root(runner.name)) as root:
            found = os.fstat(root)
            if (found.st_dev, found.st_ino) != runner.root_inode:
                return 0
            with _opened("_diag", inside=root) as diag:
                return _delete_old_files(diag, cutoff)
    except OSError:
        return 0


@contextmanager
def _opened(path: Path | str, *, inside: int | None = None) -> Iterator[int]:
    """A directory, and no link to one."""
    descriptor = os.open(path, _DIRECTORY, dir_fd=inside)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _delete_old_files(directory: int, cutoff: float) -> int:
    with os.scandir(directory) as entries:
        old = [entry.name for entry in entries if _is_old_file(entry, cutoff)]
    deleted = 0
    for name in old:
        with suppress(OSError):
            os.unlink(name, dir_fd=directory)
            deleted += 1
    return deleted


def _is_old_file(entry: os.DirEntry[str], cutoff: float) -> bool:
    try:
        return entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < cutoff
    except OSError:
        return False
