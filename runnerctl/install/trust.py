"""Whether root may let systemd start this interpreter and package, and act in these directories: nobody else must be
able to change them, or to lead root elsewhere.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import runnerctl
from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.host.directories import owner_name
from runnerctl.core.host.trusted_paths import components, refuse_untrusted

from .layout import Layout

_HINT = "Install runnerctl into a virtual environment that root owns, such as /opt/runnerctl/venv"
_PROBE = "import json, sys, runnerctl; print(json.dumps([runnerctl.__path__[0], *sys.path]))"
_SECONDS = 30


def check(layout: Layout) -> None:
    """Raises ``ConfigInvalid`` naming what others than root can write, or what the service's user cannot reach."""
    package, *places = _as_started(layout.interpreter)
    for path in (layout.interpreter, package, *places):
        for each, seen in components(path):
            _refuse_writable(each, seen)
            if layout.user != "root":
                _refuse_unreachable(each, seen, layout.user)
    for each in _inside(package):
        _refuse_writable(each, each.lstat())


def check_directories(layout: Layout) -> None:
    """Raises ``ConfigInvalid`` naming what others than root could put a link in the place of."""
    for path in (layout.config_dir, layout.state_dir, layout.base_dir, layout.package_dir):
        # By default one is in another, and the manager's to make.
        top = layout.base_dir if path.is_relative_to(layout.base_dir) else path
        refuse_untrusted(top, owners=None)  # whose it is itself is asked where it is made


def _as_started(interpreter: Path) -> list[Path]:
    """The package's directory and all places that modules come from, when systemd starts it."""
    try:
        done = subprocess.run(
            [interpreter, "-P", "-c", _PROBE], env={}, cwd="/", capture_output=True, timeout=_SECONDS, check=True
        )
        found = [Path(place) for place in json.loads(done.stdout)]
    except (OSError, subprocess.SubprocessError, ValueError) as exc:
        raise ConfigInvalid(f"{str(interpreter)!r}, started by systemd, would not find runnerctl", hint=_HINT) from exc
    if not found[0].samefile(runnerctl.__path__[0]):
        raise ConfigInvalid(
            f"{str(interpreter)!r}, started by systemd, would run another runnerctl, {str(found[0])!r}", hint=_HINT
        )
    return found


def _inside(directory: Path) -> Iterator[Path]:
    for above, names, files in os.walk(directory):
        yield from (Path(above, name) for name in (*names, *files))


def _refuse_writable(path: Path, seen: os.stat_result) -> None:
    """A sticky bit is no excuse: what it keeps from being replaced can still be there before us."""
    mode = stat.S_IMODE(seen.st_mode)
    if seen.st_uid != 0:
        raise ConfigInvalid(
            f"{str(path)!r} belongs to {owner_name(seen.st_uid)}, who could replace the code",
            hint=f"chown root {path}, or: {_HINT}",
        )
    # Also by root's own group: an access list shows in these bits and nowhere else.
    if mode & (stat.S_IWGRP | stat.S_IWOTH) and not stat.S_ISLNK(seen.st_mode):
        raise ConfigInvalid(
            f"{str(path)!r} (mode {mode:04o}) is writable by others than root, who could replace the code",
            # What is sticky is everybody's by intent, such as /tmp: it is the place that is wrong, not its mode.
            hint=_HINT if mode & stat.S_ISVTX else f"chmod go-w {path}, or: {_HINT}",
        )


def _refuse_unreachable(path: Path, seen: os.stat_result, user: str) -> None:
    needed = stat.S_IXOTH if stat.S_ISDIR(seen.st_mode) else stat.S_IROTH
    if not seen.st_mode & needed:
        raise ConfigInvalid(
            f"User {user!r} cannot access {str(path)!r} (mode {stat.S_IMODE(seen.st_mode):04o})", hint=_HINT
        )
