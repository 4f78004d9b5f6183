"""File systems that no program can be started from: a runner there was registered, and then "Permission denied"."""

from __future__ import annotations

import os

from ..domain.errors import ConfigInvalid
from .load import Settings
from .table import DefaultsSection, HostSection


def check(settings: Settings) -> None:
    """Raises ``ConfigInvalid`` naming the directory of runners, or of what they start, that is mounted so."""
    places = (DefaultsSection.base_dir, settings.base_dir), (HostSection.package_dir, settings.package_dir)
    for setting, path in places:
        there = next(each for each in (path, *path.parents) if os.path.lexists(each))
        if os.statvfs(there).f_flag & os.ST_NOEXEC:
            point = next(each for each in (there.resolve(), *there.resolve().parents) if each.is_mount())
            raise ConfigInvalid(
                f"No program can be started in {setting.key} {str(path)!r}: {str(point)!r} is mounted noexec",
                hint=f"mount -o remount,exec {point}, or choose another directory ({setting.key})",
            )
