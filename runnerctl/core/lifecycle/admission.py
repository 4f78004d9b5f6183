"""Whether this host takes one more runner, and whom its jobs run as."""

from __future__ import annotations

import os

from .. import disk
from ..access.grants import Limits
from ..directories import check_passable
from ..errors import ConfigInvalid
from ..models import Runner, RunnerSpec
from ..services import Services


def admit(services: Services, spec: RunnerSpec, limits: Limits | None = None) -> Runner:
    """A new life in ``pending``, within the caller's ``limits``.

    Raises ``DiskFull``, ``QuotaExceeded``, ``RunnerExists`` or ``Forbidden``; then nothing was made.

    The runners are counted, and the user is chosen, in the transaction that adds one: any number of creates at once
    stay within the limit, and no two get one user. Raises ``ConfigInvalid`` when jobs cannot run as other users here.
    """
    settings = services.settings
    disk.require_free((settings.base_dir, settings.state_dir, settings.package_dir), settings.get("min_free_space"))
    return services.store.admit(
        spec,
        root=services.root(spec.name),
        most=settings.get("max_runners"),
        users=_users(services),
        limits=limits,
    )


def _users(services: Services) -> list[tuple[int, int]] | None:
    """Those of ``run_as`` that nobody else on this host uses now; None where jobs run as ourselves."""
    named = services.settings.get("run_as")
    if named is None:
        return None
    from ..job_users import resolve, with_processes

    if os.geteuid() != 0:
        raise ConfigInvalid(
            "run_as is set, and only root can start processes of other users",
            hint="Run as root, with a state directory that root owns, or leave run_as out",
        )
    for path in (services.settings.base_dir, services.settings.package_dir):
        check_passable(path)
    in_use = with_processes(zombies=True)
    return [(user.uid, user.gid) for user in resolve(named) if user.uid not in in_use]
