"""Whether the units that are installed are those that this version writes: an upgrade leaves them as they are."""

from __future__ import annotations

import pwd
from pathlib import Path

from . import files
from .layout import UNIT, Backend, Layout, here


def outdated(state_dir: Path) -> list[str] | None:
    """The paths that differ, of those that we may read; None where no service is installed for that directory."""
    defaults = Layout()
    template = defaults.unit_dir / "runnerctl-runner@.service"
    if not (defaults.unit_dir / UNIT).exists() or not state_dir.exists():
        return None
    backend = Backend.SYSTEMD if template.exists() else Backend.PROCESS
    layout = here(user=pwd.getpwuid(state_dir.stat().st_uid).pw_name, backend=backend)
    if layout.state_dir != state_dir:
        return None
    ours = [each for each in files.units(layout) if isinstance(each, files.File)]
    return [str(each.path) for each in ours if _text(each.path) not in (None, each.text)]


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError:
        return None
