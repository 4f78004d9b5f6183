"""Whom the settings let jobs run as, checked on this host."""

from __future__ import annotations

import os

from ..domain.errors import ConfigInvalid
from ..host.directories import check_passable
from ..host.job_users import JobUser, groups, resolve
from .load import Settings


def check_job_users(settings: Settings) -> tuple[JobUser, ...] | None:
    """The users of ``run_as``, None if it is not set. Raises ``ConfigInvalid`` when jobs cannot run as them here."""
    named = settings.get("run_as")
    if named is None:
        return None
    if os.geteuid() != 0:
        raise ConfigInvalid(
            "run_as is set, and only root can start processes of other users",
            hint="Run as root, with a state directory that root owns, or leave run_as out",
        )
    check_passable(settings.package_dir)  # of the base directory more is wanted: `listable`
    groups(settings.get("run_as_groups") or ())
    return resolve(named)
