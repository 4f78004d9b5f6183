"""A job as the record tells of it."""

from __future__ import annotations


class Job:
    """It runs or ran; ``result`` is None as long as nobody said one."""

    __slots__ = ("ended_at", "name", "result", "started_at")

    def __init__(self, name: str, *, started_at: float) -> None:
        self.name = name
        self.started_at = started_at
        self.result: str | None = None
        self.ended_at: float | None = None
