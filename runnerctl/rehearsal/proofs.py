"""What a rehearsal has proved of this host, one value a row of its report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The first three are those of ``doctor``."""

    OK = "ok"
    WARN = "warning"
    FAIL = "error"
    SKIPPED = "skipped"
    """Not tried; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Began:
    """Something to be told while it goes on."""

    title: str


@dataclass(frozen=True, kw_only=True)
class Proof:
    check: str
    level: Level
    message: str
    """What is the case; of a failure its cause."""
    hint: str = ""
    """What to do, with the command."""
    seconds: float | None = None


Progress = Began | Proof


class Failed(Exception):
    """Something did not do what it should."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def proved(check: str, message: str, *, seconds: float | None = None) -> Proof:
    return Proof(check=check, level=Level.OK, message=message, seconds=seconds)


def failed(check: str, message: str, hint: str = "", *, seconds: float | None = None) -> Proof:
    return Proof(check=check, level=Level.FAIL, message=message, hint=hint, seconds=seconds)


def skipped(check: str, why: str, hint: str = "") -> Proof:
    return Proof(check=check, level=Level.SKIPPED, message=f"Not tried: {why}", hint=hint)
