"""The file of certificates that runners get as well: they read it as another user, or confined."""

from __future__ import annotations

import stat
from pathlib import Path

from .load import Settings


def kept_from_runners(settings: Settings, *, units: bool) -> str | None:
    """What keeps them from it, in a sentence; None if nothing does, as far as modes tell."""
    path = settings.http.ca_path
    if path is None:
        return None
    file = Path(path).resolve()
    why = None
    if units or settings.run_as is not None:
        why = _shut_by_modes(file)
    elif settings.landlock and any(file.is_relative_to(each.resolve()) for each in settings.files_of_ours()):
        why = "Landlock keeps jobs from where it is"
    return why and f"Runners cannot read the certificates {path!r} ({settings.http.ca_variable}): {why}"


def _shut_by_modes(file: Path) -> str | None:
    for each in (*reversed(file.parents), file):
        wanted = stat.S_IXOTH if each != file else stat.S_IROTH
        try:
            mode = each.stat().st_mode
        except OSError:
            return None  # whoever opens it says so
        if not mode & wanted:
            return f"{str(each)!r} has mode {stat.S_IMODE(mode):04o}"
    return None
