"""Where the repository is, and the data of the tests."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DATA = REPOSITORY / "tests" / "data"
_MEMORY = "/dev/shm"
MEMORY = _MEMORY if os.access(_MEMORY, os.W_OK) else None
"""A file system in memory, for what is not about disks; None, the usual directory, where there is none."""
