"""What jobs that run as ourselves cannot be kept from on this host: found out by trying."""

from __future__ import annotations

import sys
from pathlib import Path

from ..host import own_code

_SUPERVISOR = Path(__file__).resolve().parents[2] / "supervisor"
_TRY = """\
import sys, tempfile
sys.path.insert(0, sys.argv[1])
import confinement
with tempfile.TemporaryDirectory() as place:
    print(confinement.weakness(place) or "", end="")
"""
_UNTRIED = "What jobs of this user can be kept from could not be tried"
NOT_CONFINED = "Jobs can change what runnerctl's user can, runnerctl's own code too (landlock=false)"


def weakness() -> str | None:
    """A sentence; None: they are kept from what they should be."""
    import subprocess  # a status asks for less

    # A process of its own: what is tried cannot be undone.
    argv = [sys.executable, "-I", "-S", "-B", "-c", _TRY, str(_SUPERVISOR)]
    try:
        said = subprocess.run(argv, cwd="/", env={}, capture_output=True, text=True, check=True)
    except OSError as exc:
        return f"{_UNTRIED}: {exc.strerror or exc}"
    except subprocess.CalledProcessError as exc:
        return f"{_UNTRIED}: {exc.stderr.strip().rpartition(chr(10))[2]}"
    return said.stdout or None


def changeable_code() -> str | None:
    """What we run from is where packages are installed, and jobs of root's may do that."""
    found = own_code.unguarded()
    return None if found is None else f"Jobs run as root and can change what runnerctl runs from: {found}"
