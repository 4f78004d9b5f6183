"""Who goes before whom on this machine: what is measured before all else, the attackers after it."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

FIRST = -10
LAST = 0 if os.geteuid() == 0 else 19
"""Where others may go first, an attacker need not go last: on a busy machine it would hardly attack."""


def started(argv: list[str], *, nice: int, stderr: IO[str] | None = None, **given: Any) -> subprocess.Popen[str]:
    """A session of its own, as nice as that where it may be.

    Where the kernel groups processes by session for its scheduler, each group's nice value counts, and a process's own
    only within the group.
    """
    process: subprocess.Popen[str] = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True, **given
    )
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, nice)
    with suppress(OSError):
        Path(f"/proc/{process.pid}/autogroup").write_text(str(nice))
    return process
