"""Whom the kernel serves last and kills first: what a runner runs, before us and before the manager."""

from __future__ import annotations

import os

_SCORE = "/proc/self/oom_score_adj"


class Priority:
    """``nice`` from 0 to 19, ``oom_score_adj`` from 0 to 1000, as the kernel counts them."""

    __slots__ = ("nice", "oom_score_adj")

    def __init__(self, *, nice: int, oom_score_adj: int) -> None:
        self.nice = nice
        self.oom_score_adj = oom_score_adj

    def take(self) -> None:
        """In a child that is about to exec. Never a better one than we have: only root may do that."""
        if self.nice > os.getpriority(os.PRIO_PROCESS, 0):
            os.setpriority(os.PRIO_PROCESS, 0, self.nice)
        descriptor = os.open(_SCORE, os.O_RDWR)
        try:
            if self.oom_score_adj > int(os.read(descriptor, 16)):
                os.pwrite(descriptor, b"%d" % self.oom_score_adj, 0)
        finally:
            os.close(descriptor)
