"""What a step met, kept in the row: whoever waits for that row, in whatever process, is told the very same error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..domain import errors
from ..domain.errors import RunnerctlError
from ..domain.models import LastError, Runner
from ..domain.states import RunnerState

_MOST_SECONDS = 300.0
_FIRST_SECONDS = 5.0
_SHORT_SECONDS = 0.2
_SHORT_LOOKS = 8
BUSY_SECONDS = 1.0
"""GitHub says for a moment after a job's end that it runs."""


def kept(exc: RunnerctlError) -> LastError:
    """For ``last_error``; its message is free of secrets already."""
    return LastError(
        code=exc.code,
        message=exc.message,
        hint=exc.hint,
        retry_after=exc.retry_after,
        kind=type(exc).__name__,
        errors=exc.errors,
    )


def raised(kept_error: LastError | None) -> RunnerctlError | None:
    """The inverse; an error that this version does not know is a plain one."""
    if kept_error is None:
        return None
    kind = _KINDS.get(kept_error.kind, RunnerctlError)
    return kind(kept_error.message, hint=kept_error.hint, retry_after=kept_error.retry_after, errors=kept_error.errors)


class NotNow(Exception):
    """A step needs what somebody else has in hands: nothing has failed, and it is planned anew soon."""

    def __init__(self, error: RunnerctlError, *, patience: float) -> None:
        super().__init__(error.message)
        self.error = error
        """What it comes to for whoever makes a runner and has met it for ``patience`` seconds."""
        self.patience = patience


@contextmanager
def one_runners_own(runner: Runner) -> Iterator[None]:
    """What the kernel refuses of one runner is that runner's failure, and never an end of whoever sees to them all."""
    try:
        yield
    except OSError as exc:
        where = f" ({str(exc.filename)!r})" if exc.filename else ""
        kind = errors.DiskFull if exc.errno in errors.DiskFull.ERRNOS else errors.BackendFailed
        raise kind(f"Runner {runner.name!r}: {exc.strerror or exc}{where}") from exc


def is_busy(kept_error: LastError | None) -> bool:
    return kept_error is not None and kept_error.kind == errors.GitHubBusy.__name__


def is_of_its_making(runner: Runner) -> bool:
    """Its error is why its life ends, and no step of its end met it."""
    error = runner.last_error
    return error is not None and runner.ending is RunnerState.FAILED and error.message == runner.reason


def pause(attempts: int, exc: RunnerctlError | None = None) -> float:
    """Seconds until the next try after so many that failed."""
    if isinstance(exc, errors.GitHubBusy):
        return BUSY_SECONDS
    least = exc.retry_after if exc is not None and exc.retry_after is not None else 0.0
    return max(least, min(_MOST_SECONDS, _FIRST_SECONDS * 2.0 ** min(attempts - 1, 10)))


def soon(attempts: int) -> float | None:
    """Seconds until the next look at what goes on by itself, after so many; None once it has taken a minute or so."""
    return _SHORT_SECONDS * 2.0 ** (attempts - 1) if attempts <= _SHORT_LOOKS else None


def _kinds(base: type[RunnerctlError]) -> Iterator[type[RunnerctlError]]:
    for kind in base.__subclasses__():
        # The one with another signature is a command's, never a step's.
        if kind is not errors.SomeFailed:
            yield kind
            yield from _kinds(kind)


_KINDS = {kind.__name__: kind for kind in _kinds(RunnerctlError) if kind.__module__ == errors.__name__}
