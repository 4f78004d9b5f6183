"""The file of certificates that runners get as well."""

from __future__ import annotations

from pathlib import Path

from .kept_from_jobs import why_kept
from .load import Settings


def kept_from_runners(settings: Settings, *, units: bool) -> str | None:
    """What keeps them from it, in a sentence; None if nothing does, as far as modes tell."""
    path = settings.http.ca_path
    if path is None:
        return None
    why = why_kept(Path(path), settings, units=units)
    return why and f"Runners cannot read the certificates {path!r} ({settings.http.ca_variable}): {why}"
