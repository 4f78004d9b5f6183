"""What keeps runners and their jobs from a file that they are to read: they do as another user, or confined."""

from __future__ import annotations

import stat
from pathlib import Path

from ..host import own_places
from .load import Settings


def why_kept(path: Path, settings: Settings, *, units: bool) -> str | None:
    """In words; None if nothing does, as far as modes tell."""
    file = path.resolve()
    if units or settings.run_as is not None:
        return _shut_by_modes(file)
    if not settings.landlock:
        return None
    if any(file.is_relative_to(each.resolve()) for each in settings.files_of_ours()):
        return "Landlock keeps jobs from where it is"
    return why_closed(file, settings)


def why_closed(file: Path, settings: Settings) -> str | None:
    """It is in the home of our user, and no setting lets jobs in there. ``file`` is a real path."""
    allowed = settings.landlock_allow or ()
    if any(file.is_relative_to(each.path.resolve()) for each in allowed):
        return None
    home = next((each for each in own_places.closed() if file.is_relative_to(each.resolve())), None)
    return (
        None if home is None else f"it is in {str(home)!r}, which is closed to jobs but for what landlock_allow names"
    )


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
