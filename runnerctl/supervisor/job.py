"""A job as the record tells of it."""

from __future__ import annotations

LISTENER, LOG = "listener", "log"
"""Whose word a result is: the Listener's exit status, or a line, which a job can forge."""
STOPPED = "its runner was stopped"
GIVEN_UP = "its Listener gave it up"

TYPE_CHECKING = False  # importing typing would cost milliseconds
if TYPE_CHECKING:
    from origin import Origin


class Job:
    """It runs or ran; ``result`` is None as long as nobody said one."""

    __slots__ = ("doubtful", "ended_at", "name", "origin", "reason", "result", "result_from", "started_at")

    def __init__(self, name: str, *, started_at: float) -> None:
        self.name = name
        self.started_at = started_at
        self.result: str | None = None
        self.result_from: str | None = None
        self.ended_at: float | None = None
        self.reason: str | None = None
        """Why it ended, if not by itself."""
        self.origin: Origin | None = None
        """Where it comes from, by its own word."""
        self.doubtful = False
        """Its result was said while its Worker lived: the Listener says it after that."""

    def say(self, result: str | None, *, working: bool) -> None:
        """A line said how it ended."""
        self.result, self.result_from = result, None if result is None else LOG
        self.doubtful = working

    def document(self) -> dict[str, object]:
        return {
            "name": self.name,
            "name_from": LOG,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "result": self.result,
            "result_from": self.result_from,
            "reason": self.reason,
            "origin": self.origin,
        }


def from_document(value: object) -> Job | None:
    """None for what no supervisor wrote."""
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    job = Job(value["name"], started_at=number(value.get("started_at")) or 0.0)
    job.result, job.result_from = _text(value.get("result")), _text(value.get("result_from"))
    job.ended_at = number(value.get("ended_at"))
    job.reason = _text(value.get("reason"))
    origin = value.get("origin")
    job.origin = origin if isinstance(origin, dict) else None
    return job


def number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
