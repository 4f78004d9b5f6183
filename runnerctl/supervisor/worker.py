"""The death of a runner's Worker, as something to wait for: its Listener need not say a word about it."""

from __future__ import annotations

import os
import select

import processes
from processes import Process


class Worker:
    """``pidfd`` becomes readable when the Worker that is followed has ended."""

    __slots__ = ("died", "pidfd")

    def __init__(self) -> None:
        self.pidfd: int | None = None
        self.died = False
        """Since it was looked for last."""

    def follow(self, found: list[Process]) -> None:
        """``found``: those that live. One is enough: when it has ended, whoever cares looks for them again."""
        self.died = False
        if self.pidfd is not None or not found:
            return
        try:
            pidfd = os.pidfd_open(found[0].pid)
        except OSError:
            self.died = True
            return
        if processes.lives(found[0].pid, found[0].start_ticks):
            self.pidfd = pidfd
        else:
            os.close(pidfd)
            self.died = True

    @property
    def lives(self) -> bool:
        """The one that is followed."""
        if self.pidfd is None:
            return False
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return not poll.poll(0)

    def bury(self) -> None:
        """It has ended."""
        if self.pidfd is not None:
            os.close(self.pidfd)
        self.pidfd, self.died = None, True
