"""What a step met, kept in the row: whoever waits for that row, in whatever process, is told the very same error."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..domain import errors
from ..domain.errors import FieldError, RunnerctlError

_MOST_SECONDS = 300.0
_FIRST_SECONDS = 5.0
BUSY_SECONDS = 1.0
"""GitHub says for a moment after a job's end that it runs."""


def encoded(exc: RunnerctlError) -> str:
    """As JSON for ``last_error``; the message is free of secrets already."""
    return json.dumps(
        {
            "error": type(exc).__name__,
            "code": exc.code,
            "message": exc.message,
            "hint": exc.hint,
            "retry_after": exc.retry_after,
            "errors": [list(each) for each in exc.errors],
        }
    )


def decoded(text: str | None) -> RunnerctlError | None:
    """The inverse; an error that this version does not know is a plain one."""
    if text is None:
        return None
    told = json.loads(text)
    kind = _KINDS.get(told.get("error"), RunnerctlError)
    return kind(
        told.get("message", ""),
        hint=told.get("hint"),
        retry_after=told.get("retry_after"),
        errors=[FieldError(*each) for each in told.get("errors", ())],
    )


def is_busy(text: str | None) -> bool:
    return text is not None and isinstance(decoded(text), errors.GitHubBusy)


def pause(attempts: int, exc: RunnerctlError) -> float:
    """Seconds until the next try after so many that failed."""
    if isinstance(exc, errors.GitHubBusy):
        return BUSY_SECONDS
    return max(exc.retry_after or 0.0, min(_MOST_SECONDS, _FIRST_SECONDS * 2.0 ** min(attempts - 1, 10)))


def _kinds(base: type[RunnerctlError]) -> Iterator[type[RunnerctlError]]:
    for kind in base.__subclasses__():
        # The one with another signature is a command's, never a step's.
        if kind is not errors.SomeFailed:
            yield kind
            yield from _kinds(kind)


_KINDS = {kind.__name__: kind for kind in _kinds(RunnerctlError) if kind.__module__ == errors.__name__}
