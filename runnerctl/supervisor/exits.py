"""What the exit of a Listener means, and what follows from it. Pure.

The numbers are actions/runner's (``Constants.Runner.ReturnCode``); 1xx ones are job results or a shell's and .NET's.
"""

from __future__ import annotations

from launch import Launch

DONE, FATAL, RETRYABLE, UPDATE, UPDATE_ONCE, CONFLICT, REFRESHED, TOO_OLD = range(8)
JOB_RESULTS = {
    100: "Succeeded", 101: "SucceededWithIssues", 102: "Failed", 103: "Canceled", 104: "Skipped", 105: "Abandoned",
}  # fmt: skip
UPDATE_SECONDS = 31.0
"""How long actions/runner's own loop waits for ``update.finished`` before it goes on anyway."""

_MEANINGS = {
    DONE: "done",
    FATAL: "fatal error",
    RETRYABLE: "error that may pass",
    UPDATE: "updating itself",
    UPDATE_ONCE: "updating itself",
    CONFLICT: "another session of this runner is open",
    REFRESHED: "configuration refreshed",
    TOO_OLD: "runner version too old",
    **{code: f"job ended: {result}" for code, result in JOB_RESULTS.items()},
    126: "program cannot be executed",
    127: "program missing",
    134: "aborted: disk full or libicu missing",
    137: "killed, or out of memory",
    139: "segmentation fault",
    143: "terminated",
}
_SIGNAL_MEANINGS = {2: "interrupted", 6: _MEANINGS[134], 9: _MEANINGS[137], 11: _MEANINGS[139], 15: _MEANINGS[143]}

LISTENERS_WORD = "told by its Listener's output"
"""Which a job can forge."""
_DELETED = "its registration was deleted"
_TAKEN = "its identity files are gone, and GitHub did not ask for that"

RESTART, AWAIT_UPDATE, END = "restart", "await update", "end"


class Exit:
    """How a process ended: by exit ``code`` or by ``signal``, the other is None. Neither: it was not our child."""

    __slots__ = ("code", "signal")

    def __init__(self, *, code: int | None = None, signal: int | None = None) -> None:
        self.code = code
        self.signal = signal

    @property
    def unknown(self) -> bool:
        return self.code is None and self.signal is None

    @property
    def meaning(self) -> str:
        if self.unknown:
            return "unknown"
        if self.signal is not None:
            return _SIGNAL_MEANINGS.get(self.signal, f"killed by signal {self.signal}")
        return _MEANINGS.get(self.code or 0, f"unknown exit code {self.code}")


class RestartCounter:
    """What counts against another start; coming online wipes it out."""

    __slots__ = ("conflicts", "in_a_row")

    def __init__(self) -> None:
        self.in_a_row = 0
        self.conflicts = 0


def follows(ended: Exit, launch: Launch, counter: RestartCounter, *, jobs_run: int) -> tuple[str, float]:
    """What to do now, and in how many seconds at the latest. Counts this exit into ``counter``."""
    # GitHub deletes an ephemeral runner with its job; started again it would only find itself gone.
    if launch.ephemeral and jobs_run > 0:
        return END, 0.0
    if ended.code == CONFLICT:
        counter.conflicts += 1
        return (RESTART, launch.conflict_seconds) if counter.conflicts == 1 else (END, 0.0)
    if ended.code not in (RETRYABLE, REFRESHED, UPDATE, UPDATE_ONCE):
        return END, 0.0
    counter.in_a_row += 1
    if counter.in_a_row > launch.restart_limit:
        return END, 0.0
    if ended.code in (UPDATE, UPDATE_ONCE):
        return AWAIT_UPDATE, UPDATE_SECONDS
    return RESTART, launch.restart_seconds


def outcome(
    ended: Exit,
    launch: Launch,
    counter: RestartCounter,
    *,
    jobs_run: int,
    configured: bool,
    stop_asked: bool,
    deleted: bool,
    error: str,
) -> tuple[str, str | None]:
    """``completed``, ``stopped``, ``deleted``, ``outdated`` or ``failed``, and why.

    ``configured``: its identity files are still there. ``deleted``: the Listener said that its registration is gone.
    ``error``: what it said last of an error, or "".
    """
    if ended.unknown:
        configured = configured or not (launch.ephemeral or deleted)
        return _unknown_outcome(launch, jobs_run=jobs_run, configured=configured, stop_asked=stop_asked)
    clean = ended.code in (DONE, UPDATE, UPDATE_ONCE) or ended.code in JOB_RESULTS
    worked = jobs_run > 0 or ended.code in JOB_RESULTS
    if launch.ephemeral and clean and (worked or not (configured or deleted)):
        return "completed", None
    if stop_asked:
        return "stopped", None
    if clean and not configured:
        # A job can take the files away, and a persistent runner would lose all that it has.
        return ("deleted", _DELETED) if launch.ephemeral or deleted else ("failed", _TAKEN)
    if ended.code == DONE or ended.code in JOB_RESULTS:
        return "stopped", "its Listener ended by itself"
    again = f", {counter.in_a_row} times in a row" if counter.in_a_row > launch.restart_limit else ""
    may_go_on = configured and not (launch.ephemeral and jobs_run > 0)
    word = "outdated" if ended.code == TOO_OLD and may_go_on else "failed"
    # Before its first job nobody else could say that.
    by_whom = f" ({LISTENERS_WORD})" if jobs_run > 0 else ""
    return word, ended.meaning + again + (f": {error}{by_whom}" if error else "")


def _unknown_outcome(launch: Launch, *, jobs_run: int, configured: bool, stop_asked: bool) -> tuple[str, str | None]:
    # It takes its identity files away as the very last, and only when it ends as it should.
    if launch.ephemeral and jobs_run > 0 and not configured:
        return "completed", None
    if stop_asked:
        return "stopped", None
    return ("failed", "its Listener ended while nobody watched") if configured else ("deleted", _DELETED)
