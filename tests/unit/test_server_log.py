"""What the server's log says of events, and how: one line each, nothing of a caller's or a job's making in between."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from runnerctl.core.domain.event_sentences import sentence
from runnerctl.core.domain.models import EventType, StoredEvent
from runnerctl.core.domain.states import TERMINAL, TRANSITIONS, RunnerState
from runnerctl.server.logs import FIELDS, Json, Text

TOKEN = "ghp_" + "a" * 36
S = RunnerState


def event(kind: EventType = EventType.STATE, **more: Any) -> StoredEvent:
    known = {"seq": 1, "at": 1.0, "type": kind, "runner_id": "r", "old": None, "new": None, "reason": None, "data": {}}
    return StoredEvent(**{**known, **more})


def told(**more: Any) -> str | None:
    said = sentence(event(**more), scope="o/r")
    return None if said is None else said.text


def record(message: str, *, exc_info: Any = None, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("runnerctl.server", logging.INFO, "x.py", 1, message, (), exc_info)
    made.__dict__.update(fields)
    return made


@pytest.mark.parametrize(
    ("old", "new", "why", "text"),
    [
        (None, S.PENDING, None, "is created for o/r"),
        (S.REGISTERED, S.STARTING, None, "starts"),
        (S.STOPPED, S.STARTING, "killed", "starts again: killed"),
        (S.IDLE, S.STARTING, "updating itself", "starts again: updating itself"),
        (S.STARTING, S.IDLE, None, "takes jobs"),
        (S.BUSY, S.IDLE, None, None),
        (S.IDLE, S.BUSY, "build", None),
        (S.IDLE, S.BUSY, None, "runs a job"),
        (S.IDLE, S.STOPPED, "killed", "ended: killed"),
        (S.STOPPING, S.STOPPED, "It was stopped", "stopped"),
        (S.REMOVING, S.IDLE, "GitHub says it runs a job", "is not removed: GitHub says it runs a job"),
        (S.REMOVING, S.FAILED, "killed", "failed: killed"),
        (S.REMOVING, S.COMPLETED, None, "completed"),
        (S.REMOVING, S.REMOVED, None, "removed"),
    ],
)
def test_each_state_that_says_something_new_is_a_sentence(
    old: S | None, new: S, why: str | None, text: str | None
) -> None:
    assert told(old=old, new=new, reason=why) == text


def test_no_start_and_no_end_is_left_out() -> None:
    steps = [(old, new) for old, following in TRANSITIONS.items() for new in following]
    ends = [(old, new) for old, new in steps if new in {*TERMINAL, S.STOPPED, S.STARTING}]
    assert all(told(old=old, new=new) for old, new in ends)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"desired": "gone", "how": "gentle", "by": "command"}, "is to be removed by command: why"),
        ({"desired": "gone", "how": "now", "by": "tenant a"}, "is to be removed now by tenant a: why"),
        ({"desired": "stopped", "how": "drain", "by": "request"}, "is to be stopped after its job by request: why"),
        ({"desired": "running", "how": "gentle", "by": "command"}, "is to be started by command: why"),
        ({"desired": "running", "how": "drain", "by": "policy x"}, "is to be restarted after its job by policy x: why"),
    ],
)
def test_a_wish_says_who_has_it(data: dict[str, str], text: str) -> None:
    assert told(kind=EventType.WANTED, data=data, reason="why") == text


def test_a_job_says_how_it_ended_and_whose_word_that_is() -> None:
    job = {"id": 1, "name": "build"}
    assert told(kind=EventType.JOB, data=job) == "begins job 'build' (named by its log)"
    ended = {**job, "ended_at": 9.0, "seconds": 4.0, "result": "failed", "result_from": "log"}
    assert told(kind=EventType.JOB, data=ended) == "ends job 'build' (named by its log): failed by its log after 4 s"
    lost = sentence(event(EventType.JOB, data={**ended, "result": None}, reason="killed"), scope="")
    assert lost is not None
    assert (lost.text, lost.warning) == (
        "ends job 'build' (named by its log): ended, result unknown after 4 s: killed",
        True,
    )


HOSTILE = f"job\nINFO forged\r\x1b[2J\u2028{TOKEN} {'x' * 5000}"


@pytest.mark.parametrize("form", [Text, Json])
def test_no_name_and_no_message_makes_a_line_of_its_own_or_an_endless_one(form: type[logging.Formatter]) -> None:
    line = form().format(record(HOSTILE, **dict.fromkeys(FIELDS, HOSTILE)))
    assert line.isprintable()
    assert TOKEN not in line
    assert len(line) < 1100 * 2 + len(FIELDS) * 300 * 2


@pytest.mark.parametrize("form", [Text, Json])
def test_a_secret_at_the_cut_is_no_half_secret(form: type[logging.Formatter]) -> None:
    assert "ghp_" not in form().format(record("x" * 985 + f" {TOKEN}"))


def test_fields_of_a_text_line_cannot_be_forged_by_a_value() -> None:
    line = Text().format(record("said", runner="a request_id=forged", request_id="true"))
    assert line == 'INFO runnerctl.server: said runner="a request_id=forged" request_id=true'


def test_a_traceback_is_masked_and_bounded_and_in_json_part_of_its_line() -> None:
    try:
        raise ValueError(f"{TOKEN}\x1b[2J" + "y" * 100_000)
    except ValueError:
        failed = record("failed", exc_info=sys.exc_info())
    shown = Json().format(failed)
    assert shown.isprintable()
    assert json.loads(shown)["traceback"].endswith("y")
    for text in (shown, Text().format(failed)):
        assert TOKEN not in text
        assert len(text) < 40_000
