"""A process that has all of a supervisor imported, and becomes one whenever it is asked to: starting an interpreter and
importing costs more than all that a supervisor does until its Listener runs.

Its stdin is a socket. Each message is the name of a run directory and brings two descriptors, which are that
supervisor's stdin and stdout. It ends with whoever holds the other end.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
from collections.abc import Callable

_MOST = 256
COMMAND = "forkserver"
"""What the kernel calls it, to be told from the supervisors, which have its command line."""


def keep(run: Callable[[str], int]) -> int:
    """Returns at the end; and in each child what ``run`` came to, which is given that name."""
    _be_called(COMMAND)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    channel = socket.socket(fileno=os.dup(0))
    gc.collect()
    gc.freeze()  # what was imported stays shared
    while True:
        name, descriptors, _, _ = socket.recv_fds(channel, _MOST, 2)
        if len(descriptors) == 2 and os.fork() == 0:
            _take(descriptors)
            return run(os.fsdecode(name))
        for descriptor in descriptors:
            os.close(descriptor)
        if not name:
            return 0


def _take(descriptors: list[int]) -> None:
    """All others are closed by who becomes a supervisor."""
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _be_called("python")


def _be_called(name: str) -> None:
    with open("/proc/self/comm", "w", encoding="ascii") as comm:
        comm.write(name)
