"""A command that dies at each of its commits."""

from __future__ import annotations

import signal

from tests.support.breaking import crashing
from tests.support.hosts.host import Host

MOST_COMMITS = 24


def crash(host: Host, operation: str, name: str, number: int, when: str) -> bool:
    """Whether that commit was reached, and the process so ended."""
    status = crashing.run(operation, name, number, when, host.environment(PYTHONDONTWRITEBYTECODE="1"))
    assert status in {0, -signal.SIGINT if when == "interrupted" else -signal.SIGKILL}
    return status != 0
