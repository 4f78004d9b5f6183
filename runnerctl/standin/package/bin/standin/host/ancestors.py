"""A directory and each one above it must be readable, not only passable (``IOUtil.ValidateExecutePermission``)."""

from __future__ import annotations

import os


class Unreadable(Exception):
    """Said as it is; the runner does not start."""


def require_readable(directory: str) -> None:
    looked_at = directory
    while True:
        try:
            with os.scandir(looked_at) as entries:
                next(entries, None)
        except PermissionError as exc:
            raise Unreadable(
                f"Permission to read the directory contents is required for '{directory}' and each directory up the "
                f"hierarchy. Access to the path '{looked_at}' is denied."
            ) from exc
        above = os.path.dirname(looked_at)
        if above == looked_at:
            return
        looked_at = above
