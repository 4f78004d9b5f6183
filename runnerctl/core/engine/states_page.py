"""``docs/states.md``: the states, and the table that decides every step, in words. ``make generate`` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..domain.states import LIVE, TERMINAL, TRANSITIONS
from .situation import Ended, Made, Processes, Timer, Wanted
from .steps.acts import ACTS
from .table import TABLE, Row, Section

_SAID: dict[str, dict[object, str]] = {
    "wanted": {
        Wanted.GONE: "it is to go unless it runs a job",
        Wanted.GONE_NOW: "it is to go now",
        Wanted.BACK: "its drain is taken back",
    },
    "processes": {
        Processes.UNKNOWN: "its processes cannot be seen",
        Processes.UNSUPERVISED: "its processes live without a supervisor",
        Processes.LIVING: "its processes live",
        Processes.NONE: "no process is left",
    },
    "job": {True: "a job runs", False: "no job runs"},
    "put_off": {True: "the last try failed, and the next is not due", False: "a try is due"},
    "held_back": {True: "automatic registrations in its scope are paused"},
    "made": {
        Made.NOTHING: "its package is not on this host",
        Made.PACKAGE: "its package is on this host",
        Made.PROVISIONED: "it has a directory",
        Made.REGISTERED: "it is registered",
    },
    "driven": {True: "whoever asked for it makes it", False: "nobody makes it any more"},
    "started": {False: "its last start was not finished"},
    "ended": {
        Ended.COMPLETED: "it did its job",
        Ended.DELETED: "its Listener was told that GitHub deleted it",
        Ended.OUTDATED: "GitHub refused its version",
        Ended.SILENT: "nobody wrote how it ended",
    },
    "lasting": {True: "it is persistent", False: "it is not persistent, or belongs to a process"},
    "unused": {True: "it had no job"},
    "restful": {True: "it may be started again"},
    "crashed": {True: "it is ephemeral, was killed or died of a fault, and had no job"},
    "crashed_early": {False: "it did not die right after its start"},
    "late": {True: "it did not come online in time"},
    "explained": {False: "the reason is not written down"},
    "lost": {True: "GitHub did not list it twice, a minute apart"},
    "offline": {True: "GitHub shows it as offline, twice, a minute apart"},
    "exposed": {True: "its repository has become public", False: "its repository has not become public"},
    "changed": {True: "its processes show another state"},
    "wished": {True: "somebody started it"},
    "renewing": {True: "that is for a newer version"},
    "rested": {False: "its pause is not over"},
    "asked": {False: "its supervisor was not told"},
    "unheard": {True: "its supervisor has not heard of it for 2 seconds"},
    "deadline": {Timer.RUNNING: "the time of its stop ladder runs", Timer.OVER: "the time of its stop ladder is over"},
    "overdue": {True: "that takes too long"},
    "leaving": {True: "its removal was asked for less than a second ago"},
    "registered": {True: "GitHub may have a registration of it"},
    "unregistered": {True: "GitHub has no registration of it, and it is to get another"},
    "refused": {True: "GitHub says that it runs a job"},
    "removed": {True: "somebody asked for its removal"},
    "orphaned": {True: "an orphan of it is kept", False: "its registration is not kept as an orphan"},
    "settling": {True: "a job may have been dispatched just before"},
}
_STOPS = frozenset({Wanted.STOP, Wanted.STOP_NOW})
_RESTARTS = frozenset({Wanted.RESTART, Wanted.RESTART_NOW})
_SAID_OF_SEVERAL: dict[tuple[str, frozenset[object]], str] = {
    ("wanted", frozenset({Wanted.GONE, Wanted.GONE_AFTER_JOB, Wanted.GONE_NOW})): "it is to go",
    ("wanted", _STOPS): "it is to stop",
    ("wanted", _RESTARTS): "it is to restart",
    ("wanted", _STOPS | _RESTARTS): "it is to stop or to restart",
    ("wanted", frozenset({Wanted.STOP_NOW, Wanted.RESTART_NOW})): "it is to stop or to restart now",
    ("wanted", _RESTARTS | {Wanted.RUN}): "it is to run or to restart",
    ("processes", frozenset({Processes.UNKNOWN, Processes.UNSUPERVISED})): "no supervisor is seen",
    ("ended", frozenset(Ended) - {Ended.SILENT, Ended.COMPLETED}): "its supervisor wrote how it ended",
    ("state", LIVE - {"removing"}): "it is not `removing`",
}
_HEAD = """\
# The states of a runner, and what decides its next step

`make generate` writes this page from `runnerctl/core/domain/states.py` and `runnerctl/core/engine/table.py`; a test
fails when it is stale.

## The states

`completed`, `failed` and `removed` end a runner's life, and its name is free again. From `removing` a runner goes
back to where it was when GitHub says that it runs a job.

```mermaid
"""
_TABLE_HEAD = """\
## The next step

Whenever a runner may have changed, its row, its processes and GitHub's last list are compared with what is wanted of
it. The sections are asked in their order; in the first one that fits, the first row that fits gives the step. After
each step the runner is looked at again, so a create or a removal is many such steps. `wait` and `nothing` end that for
now.
"""
_ACTS_HEAD = """\
## Which module takes a step

In `runnerctl/core/engine/steps/`. A step may run twice: whoever took it before may have died in the middle of it.

| Step | Module |
|---|---|
"""


def states_page() -> str:
    """The whole page."""
    sections = (_section(number, section) for number, section in enumerate(TABLE, start=1))
    return f"{_HEAD}{_diagram()}```\n\n{_TABLE_HEAD}\n{''.join(sections)}{_ACTS_HEAD}{''.join(_acts())}"


def _diagram() -> str:
    lines = ["stateDiagram-v2", "    [*] --> pending"]
    lines += [
        f"    {old} --> {new}" for old, following in TRANSITIONS.items() for new in TRANSITIONS if new in following
    ]
    lines += [f"    {state} --> [*]" for state in TRANSITIONS if state in TERMINAL]
    return "\n".join(lines) + "\n"


def _section(number: int, section: Section) -> str:
    needs = _sentence(section.needs, ", and ")
    rows = "".join(f"| {number}.{place} | {_row(row)} |\n" for place, row in enumerate(section.rows, start=1))
    return f"### {number}. {section.title}\n\nIf {needs}:\n\n| | If | Step | Because |\n|---|---|---|---|\n{rows}\n"


def _row(row: Row) -> str:
    return f"{_sentence(row.needs, '; ') or 'nothing above fits'} | {row.step} | {row.why}"


def _sentence(needs: Mapping[str, frozenset[object]], between: str) -> str:
    return between.join(_said(field, named) for field, named in needs.items())


def _said(field: str, named: frozenset[object]) -> str:
    """Raises ``KeyError`` for what has no words yet."""
    if (field, named) in _SAID_OF_SEVERAL:
        return _SAID_OF_SEVERAL[field, named]
    if field == "state":
        return f"it is {_either(f'`{state}`' for state in TRANSITIONS if state in named)}"
    return _either(_SAID[field][value] for value in named)


def _either(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def _acts() -> Iterator[str]:
    for step, act in ACTS.items():
        yield f"| {step} | `{act.__module__.rpartition('.')[2]}.py` |\n"
