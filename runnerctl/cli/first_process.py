"""What the first process of a container owes the others: it buries their dead, and hears the signals that come to it.

Whatever a runner leaves behind becomes a child of that process, and a dead one that nobody waits for keeps its id and
its user's. To wait for all children would take the exit statuses of our own from whoever started them. So the program
goes on in a child, and this process does nothing else.
"""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress

_PASSED_ON = frozenset(
    {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH}
)
_HEARD = _PASSED_ON | {signal.SIGCHLD}
_PR_SET_DUMPABLE = 4


def stand_aside() -> None:
    """Returns in a child, which is the program from then on; this process ends when that one does, and like it."""
    # Our environment may hold secrets, and jobs may be of the same user.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # Held back from here on: none is lost between the fork and the first wait.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    child = os.fork()
    if child:
        os._exit(_wait(child))
    _take_terminal()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(child: int) -> int:
    """Until the child ends; its exit status."""
    while True:
        number = signal.sigwait(_HEARD)
        if number != signal.SIGCHLD:
            os.kill(child, number)
        elif (status := _bury(child)) is not None:
            return status


def _bury(child: int) -> int | None:
    """All that have died; the child's exit status, if it is among them."""
    found = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
                found = code if code >= 0 else 128 - code
    return found


def _take_terminal() -> None:
    """Ctrl-C comes to a terminal's group: to the program alone, which would hear it twice otherwise."""
    os.setpgid(0, 0)
    ignored = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    with suppress(OSError):
        os.tcsetpgrp(0, os.getpgrp())
    signal.signal(signal.SIGTTOU, ignored)
