"""The same refusal, in the words of whoever is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runnerctl.cli import failures
from runnerctl.core.domain.errors import RunnerBusy, SomeFailed
from runnerctl.core.domain.phrases import counted, spoken
from runnerctl.core.engine.steps.removing import BUSY_HINT
from runnerctl.server import answers
from runnerctl.server.bodies import CreateBody
from runnerctl.server.body_errors import refusal

BUSY = RunnerBusy("Runner 'a' is running a job", hint=BUSY_HINT)


def test_the_command_line_speaks_of_flags() -> None:
    hint = failures.document(BUSY)["error"]["hint"]
    assert "--drain" in hint
    assert "--force" in hint
    assert f"Hint: {hint}" in failures.text(BUSY)
    several = failures.document(SomeFailed("1 of 2 runners could not be removed", [("a", BUSY)]))
    assert several["error"]["failures"][0]["hint"] == hint


def test_http_speaks_of_its_query() -> None:
    hint = msgspec.json.decode(answers.problem(BUSY, request_id="1").body)["hint"]
    assert "?drain=true" in hint
    assert "--" not in hint


def test_both_know_every_word() -> None:
    assert failures.WORDS.keys() == answers.WORDS.keys()


def test_a_word_takes_the_name_behind_it_and_what_is_no_word_stays() -> None:
    words = {"logs": "`logs %s`"}
    assert spoken("{logs ci-1} or {this}, {} and {'a': 1}", words) == "`logs ci-1` or {this}, {} and {'a': 1}"


def test_one_of_a_kind_is_no_plural() -> None:
    assert [counted(number, "runner") for number in (0, 1, 2)] == ["0 runners", "1 runner", "2 runners"]


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({"label": "x"}, "label", "Unknown field 'label'; did you mean 'labels'?"),
        ({"xyzzy": 1}, "xyzzy", "Unknown field 'xyzzy'; known are name, repo, org, labels,"),
        ({"ephemeral": "yes"}, "ephemeral", "'ephemeral' must be true or false"),
        ({"labels": 7}, "labels", "'labels' must be a string or a list"),
        ({"labels": ["a", 7]}, "labels[1]", "'labels[1]' must be a string"),
        ({"timeout": True}, "timeout", "'timeout' must be a number or a string"),
        ({"wait": "done"}, "wait", "'wait' must be 'none', 'started' or 'online'"),
        ({"name": None}, "name", "'name' must be a string"),
    ],
)
def test_a_body_is_refused_in_the_words_of_json(given: dict[str, Any], field: str, message: str) -> None:
    error = _refused(msgspec.json.encode({"name": "a", **given}))
    assert error.message.startswith(message)
    assert [(each.field, each.message) for each in error.errors] == [(field, error.message)]


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"{}", "Field 'name' is missing"), (b"[]", "The body must be an object"), (b"7", "The body must be an object")],
)
def test_what_is_not_there_is_said(body: bytes, message: str) -> None:
    assert _refused(body).message == message


def _refused(body: bytes) -> Any:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=CreateBody)
    return refusal(caught.value, CreateBody)
