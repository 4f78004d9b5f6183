"""What could not be cleared when its runner went, registrations and directories: tried again, less and less often."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ..domain.errors import InvalidTransition, OrphanNotFound, RunnerctlError
from ..domain.models import Orphan, OrphanKind, Runner
from ..domain.phrases import counted
from ..domain.states import RunnerState
from ..host.root_rights import RootRights
from . import directories
from .github_side.orphans import clear_registrations

if TYPE_CHECKING:
    from ..backends.base import DeleteAsRoot
    from ..services import Services
    from ..settings.load import Settings


class Cleared(NamedTuple):
    released: Sequence[Runner]
    """Those whose removal waited for it and can go on."""
    failures: Sequence[tuple[Orphan, RunnerctlError]]


def finish_orphans(services: Services, *, only: str | None = None) -> Sequence[Runner]:
    """Tries what is due once, ``only``: that of one life, its registration whether due or not.

    Returns the runners whose removal waited for it and can go on.
    """
    due = services.store.orphans(due_at=services.clock.now())
    if only is None:
        return clear_orphans(services, due).released
    soon = {orphan.id for orphan in due}
    return clear_orphans(
        services,
        [each for each in services.store.orphans_of(only) if each.kind is OrphanKind.REGISTRATION or each.id in soon],
    ).released


def clear_orphans(services: Services, orphans: Sequence[Orphan], *, as_root: DeleteAsRoot | None = None) -> Cleared:
    """Tries each of them once, due or not. ``as_root`` deletes directories that we may not."""
    if not orphans:
        return Cleared((), ())
    here = [orphan for orphan in orphans if orphan.kind is OrphanKind.DIRECTORY]
    tried = [
        *((orphan, directories.clear(services, orphan, as_root)) for orphan in here),
        *clear_registrations(services, [orphan for orphan in orphans if orphan.kind is OrphanKind.REGISTRATION]),
    ]
    waiting = dict.fromkeys(orphan.runner_id for orphan in orphans if orphan.kind is OrphanKind.REGISTRATION)
    return Cleared(
        [runner for runner_id in waiting if (runner := _released(services, runner_id)) is not None],
        [(orphan, error) for orphan, error in tried if error is not None],
    )


@contextmanager
def root_rights(settings: Settings) -> Iterator[DeleteAsRoot | None]:
    """What deletes as root, where we are root now and about to become the state directory's owner."""
    rights = RootRights.kept(settings.state_dir)
    try:
        yield None if rights is None else rights.delete
    finally:
        if rights is not None:
            rights.close()


def _released(services: Services, runner_id: str) -> Runner | None:
    runner = services.store.get(runner_id)
    waits = runner is not None and runner.state is RunnerState.REMOVING and runner.deregistered_at is not None
    return runner if waits else None


def find_orphan(services: Services, orphan_id: int) -> Orphan:
    """Raises ``OrphanNotFound``."""
    orphan = services.store.orphan(orphan_id)
    if orphan is None:
        raise OrphanNotFound(f"There is no orphan {orphan_id}", hint="{orphans} lists them")
    return orphan


def forget_orphan(services: Services, orphan_id: int) -> Orphan:
    """It is tried no more; what it is about stays as it is. Raises ``OrphanNotFound``, ``InvalidTransition``."""
    orphan = find_orphan(services, orphan_id)
    runner = services.store.get(orphan.runner_id)
    if runner is not None and runner.live:
        raise InvalidTransition(
            f"Runner {runner.name!r} is still being removed, and orphan {orphan_id} is a part of that",
            hint=f"{{remove_force {runner.name}}} ends the removal",
        )
    services.store.forget_orphan(orphan.runner_id, orphan.kind)
    return orphan


def orphans_text(services: Services) -> str | None:
    """How many are kept, in words; None if none."""
    orphans = services.store.orphans()
    return f"{counted_orphans(orphans)} could not be cleared yet" if orphans else None


def counted_orphans(orphans: Iterable[Orphan]) -> str:
    """``1 registration and 2 directories``."""
    kinds = [orphan.kind for orphan in orphans]
    return " and ".join(counted(number, str(kind)) for kind in OrphanKind if (number := kinds.count(kind)))
