"""The stand-in runner does in each recorded situation what the real runner did: same calls, same lines, same end.

Compared is each actor's sequence of calls, whole: method, address, query, kinds of headers, bodies field by field (log
lines included), statuses. Looser, because only the clock decides them, are the numbers of updates of steps, of
messages of the feed, of polls that brought nothing (202, after 50 s) and of renewals after the first (every 60 s). With
STANDIN_PACE=1 the updates of steps are compared one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.hosts.loopback import NEEDS_ROOT, Place, place
from tests.support.sandboxes.comparing import (
    ACTIONS,
    CONFIGURATION,
    END,
    FEED,
    LEASE,
    LINES,
    LISTENER,
    RESULTS,
    UPDATES,
    merged_updates,
    of,
    plain,
    said,
)
from tests.support.sandboxes.records import DIRECTORY, NAMES, Call, record
from tests.support.sandboxes.situations import Lived, Situation, recorded_actions
from tests.support.sandboxes.standin import PACE, StandIn
from tests.support.sandboxes.tap import TappedSandbox

pytest_plugins = ("tests.support.sandboxes.standin_fixtures",)
pytestmark = [pytest.mark.timeout(60 + 150 * PACE), pytest.mark.long]

CONFIGURED = ("config-sh", "config-sh-org")
ENDS = {"listener-killed-in-a-job": -9, "too-old": 7, "config-sh": None, "config-sh-org": None}
SECOND_OF_TWO = "session-conflict"
CAUGHT_IN_THE_ACT = "too-old"
"""There the real Worker was told to end in the moment between the end of its only step and its own: by luck. Ours is
told while the step runs. The step's conclusion, and the lines that depend on it, are not compared."""
LINES_BY_CHANCE = {
    CAUGHT_IN_THE_ACT: {"##[error]The operation was canceled.", "x"},
    # On a loaded machine the last sleep of the step, 25 ms at our pace, is still there when the step is not.
    "cancelled-from-github": {"Terminate orphan process: pid (N) (sleep)"},
}
ON_THE_TICK = "long-log-and-lease"
"""There the last steps end in the very moment in which the half second did."""


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TappedSandbox]:
    configured = request.node.callspec.params["name"] in CONFIGURED
    found = place() if configured else Place()
    if configured and not found:
        pytest.skip(f"{NEEDS_ROOT}: config.sh drops the port")
    (tmp_path / "actions").mkdir()
    archive = tmp_path / "no-package"
    archive.write_bytes(b"none")
    sandbox = TappedSandbox(
        **found, archive=archive, strict=True, poll_seconds=50 * PACE,
        actions=recorded_actions(tmp_path / "actions"),
    )  # fmt: skip
    with sandbox:
        yield sandbox
    assert sandbox.violations == []


@pytest.mark.parametrize("name", NAMES)
def test_it_lives_as_the_real_runner_did(name: str, runner: StandIn, sandbox: TappedSandbox) -> None:
    lived = Situation(name, runner, sandbox).live()
    theirs, ours = recorded(name), comparable(name, lived)
    for actor in (CONFIGURATION, LISTENER, LEASE, ACTIONS, RESULTS, END, FEED):
        expected = [shape(name, call, runner.root) for call in timeless(of(theirs, actor))]
        found = [shape(name, call, runner.root) for call in timeless(of(ours, actor))]
        if name in CONFIGURED and actor == LISTENER:
            found = found[: len(expected)]  # a persistent runner polls on; the record ends with the last job
        assert cut_alike(found, expected) == expected, actor
    assert len(of(ours, LEASE)) >= len(of(theirs, LEASE))
    compare_updates(name, of(theirs, UPDATES), of(ours, UPDATES), runner.root)
    compare_lines(of(theirs, LINES), of(ours, LINES))
    assert not of(ours, END) or last(ours, RESULTS) < last(ours, END), "a log is uploaded after the end of its job"
    assert said(lived.lines) == said(printed(name))
    assert lived.exit_code == ENDS.get(name, 0)


def recorded(name: str) -> list[Call]:
    """Without what the first of two Listeners did."""
    return [call for call in record(name) if name != SECOND_OF_TWO or call.method == "POST"]


def comparable(name: str, lived: Lived) -> list[Call]:
    """The runner's own: not what registered it, nor what its job asked for."""
    calls = [
        call for call in lived.calls if not re.search(r"/(generate-jitconfig|registration-token|idtoken/)$", call.path)
    ]
    if name != SECOND_OF_TWO:
        return calls
    return [call for call in calls if call.method == "POST"][2:]


def timeless(calls: list[Call]) -> list[Call]:
    """Without polls that brought nothing, and without renewals of what was renewed."""
    kept: list[Call] = []
    for call in calls:
        renewed = call.path.endswith("/renewjob") and any(each.body == call.body for each in kept)
        if not renewed and not (call.path.endswith("/message") and call.status == 202):
            kept.append(call)
    return kept


def printed(name: str) -> list[str]:
    """What the Listener said; the supervisor of the record put a time stamp before, and lines of its own between."""
    lines = (DIRECTORY / f"{name}.log").read_text(encoding="utf-8").splitlines()
    if name == SECOND_OF_TWO:
        # `timeout` interrupted it twice, as its child and as one of its group.
        return lines[: lines.index("Exiting...") + 1]
    return [line[25:] for line in lines if not line[25:].startswith("[runnerctl]")]


def shape(name: str, call: Call, root: Path) -> dict[str, Any]:
    known = plain(call, root)
    body = known["body"]
    if name == CAUGHT_IN_THE_ACT and isinstance(body, dict) and "stepResults" in body:
        for step in body["stepResults"]:
            step |= {"conclusion": "not compared", "annotations": []}
    if name in LINES_BY_CHANCE and isinstance(body, dict) and "line_count" in body:
        body["line_count"] = "not compared"
    if name in LINES_BY_CHANCE and isinstance(body, list):
        known["body"] = [line for line in body if line not in LINES_BY_CHANCE[name]]
    return known


def cut_alike(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Long logs are cut in the records; of ours as many lines are compared."""
    for mine, theirs in zip(found, expected, strict=False):
        if isinstance(mine["body"], list) and isinstance(theirs["body"], list):
            mine["body"] = mine["body"][: len(theirs["body"])]
    return found


def compare_updates(name: str, theirs: list[Call], ours: list[Call], root: Path) -> None:
    expected, found = merged_updates(theirs, root), merged_updates(ours, root)
    if name == CAUGHT_IN_THE_ACT:
        for states in (expected, found):
            states["2 Run echo x"]["conclusion"] = "not compared"
    assert found == expected
    if PACE == 1 and name != ON_THE_TICK:  # then its half seconds are as long as the real one's
        assert [told(call) for call in ours] == [told(call) for call in theirs]
    orders: dict[str, list[int]] = {}
    for call in ours:
        orders.setdefault(call.body["workflow_job_run_backend_id"], []).append(call.body["change_order"])
    assert all(each == list(range(1, len(each) + 1)) for each in orders.values())
    # Each of them alone is of the recorded form, too.
    fields = {tuple(plain(call, root)["body"]) for call in theirs}
    assert {tuple(plain(call, root)["body"]) for call in ours} <= fields


def told(call: Call) -> list[tuple[int, int]]:
    return [(step["number"], step["status"]) for step in call.body["steps"]]


def compare_lines(theirs: list[Call], ours: list[Call]) -> None:
    """The feed is lossy and cut by the clock; what comes is whole messages, in the log's order and numbered so."""
    for call in ours:
        assert set(call.body) == {"value", "stepId", "startLine", "count"}
        assert call.body["count"] == len(call.body["value"]) <= 100
    ends: dict[str, int] = {}
    for call in ours:
        assert call.body["startLine"] > ends.get(call.body["stepId"], 0)
        ends[call.body["stepId"]] = call.body["startLine"] + call.body["count"] - 1
    if theirs:
        assert first_lines(ours) == first_lines(theirs)


def first_lines(calls: list[Call]) -> list[str]:
    return said(calls[0].body["value"][:3])


def last(calls: list[Call], actor: str) -> int:
    return max((call.number for call in of(calls, actor)), default=-1)


def test_there_are_sixteen_of_them() -> None:
    assert len(NAMES) == 16
