"""What happened to a runner as one sentence for a log, made of its event; so an act is told once, whoever acted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .durations import shown
from .jobs import LOG
from .models import EventType, StoredEvent
from .states import TERMINAL, Desired, How
from .states import RunnerState as S


class Sentence(NamedTuple):
    text: str
    """After the runner's name."""
    warning: bool = False
    fields: Mapping[str, Any] = {}


def sentence(event: StoredEvent, *, scope: str) -> Sentence | None:
    """None for a step that another event tells: a wish, a job, or the end."""
    if event.type is EventType.JOB:
        return _job(event)
    if event.type is EventType.WANTED:
        return _wanted(event)
    return _state(event, scope) if event.type is EventType.STATE else None


def _state(event: StoredEvent, scope: str) -> Sentence | None:
    if event.old is None:
        return Sentence(f"is created for {scope}{_by(event.data)}")
    if event.old == S.REMOVING and event.new not in TERMINAL:
        return Sentence(_because("is not removed", event.reason), warning=True)
    told = _STATES.get(event.new or "")
    return None if told is None else told(event)


def _starts(event: StoredEvent) -> Sentence:
    again = event.old not in {S.PENDING, S.REGISTERED}
    return Sentence(_because("starts again", event.reason) if again else "starts")


def _takes_jobs(event: StoredEvent) -> Sentence | None:
    return Sentence("takes jobs") if event.old == S.STARTING else None  # the end of a job is told


def _works(event: StoredEvent) -> Sentence | None:
    return Sentence("runs a job") if event.reason is None else None  # one with a name is told


def _stops(event: StoredEvent) -> Sentence:
    """What somebody wanted is no mishap."""
    wanted = event.old == S.STOPPING
    return Sentence("stopped") if wanted else Sentence(_because("ended", event.reason), warning=True)


def _ends(event: StoredEvent) -> Sentence:
    return Sentence(_because(str(event.new), event.reason), warning=event.new == S.FAILED)


_STATES: Mapping[str, Callable[[StoredEvent], Sentence | None]] = {
    S.STARTING: _starts,
    S.IDLE: _takes_jobs,
    S.BUSY: _works,
    S.STOPPED: _stops,
    **dict.fromkeys(TERMINAL, _ends),
}
_DONE = {Desired.STOPPED: "stopped", Desired.GONE: "removed"}
_WAYS = {How.GENTLE: "", How.DRAIN: " after its job", How.NOW: " now"}


def _wanted(event: StoredEvent) -> Sentence:
    desired, how = Desired(event.data["desired"]), How(event.data["how"])
    if desired is Desired.RUNNING:
        done = "started" if how is How.GENTLE else f"restarted{_WAYS[how]}"
    else:
        done = f"{_DONE[desired]}{_WAYS[how]}"
    return Sentence(_because(f"is to be {done}{_by(event.data)}", event.reason))


def _job(event: StoredEvent) -> Sentence:
    data = event.data
    fields = {name: data[name] for name in ("repository", "run_id", "result") if data.get(name)}
    fields["told_by"] = LOG
    named = f"{data['name']!r} (named by its log)"
    if "ended_at" not in data:
        return Sentence(f"begins job {named}", fields={"job": data["name"], **fields})
    result = data["result"] or "ended, result unknown"
    told = f"{result} by its log" if data["result"] and data.get("result_from") == LOG else result
    seconds = data.get("seconds")
    after = "" if seconds is None else f" after {shown(seconds)}"
    text = _because(f"ends job {named}: {told}{after}", event.reason)
    return Sentence(text, warning=data["result"] is None, fields={"job": data["name"], **fields})


def _by(data: Mapping[str, Any]) -> str:
    by = data.get("by")
    return "" if by is None else f" by {by}"


def _because(text: str, why: str | None) -> str:
    return text if why is None else f"{text}: {why}"
