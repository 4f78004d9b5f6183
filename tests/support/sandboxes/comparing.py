"""Calls of a record and of a stand-in, brought into one form: by actor, and without what is anew in each life."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.sandboxes.records import FRAME, Call

LISTENER, LEASE, END, RESULTS, UPDATES, FEED, LINES, ACTIONS, CONFIGURATION = (
    "listener", "lease", "end of the job", "results", "updates of steps", "feed", "lines of the feed", "actions",
    "config.sh",
)  # fmt: skip
ACTORS = (LISTENER, LEASE, END, RESULTS, UPDATES, FEED, LINES, ACTIONS, CONFIGURATION)

_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ANEW = (
    (_GUID, "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"http://(HOST|127\.\d+\.\d+\.\d+(:\d+)?)"), "http://HOST"),
    (re.compile(r"^\S+ \(PID: \d+\)$"), "MACHINE (PID: N)"),
    (re.compile(r"pid \(\d+\)"), "pid (N)"),
    (re.compile(r"(Machine name: )'[^']+'"), r"\1'MACHINE'"),
    (re.compile(r"(SHA:|@)[0-9a-f]{40}"), r"\1SHA"),
    (re.compile(r"size \d+ bytes"), "size N bytes"),
    (re.compile(r"js main v\S+ \S+"), "js main VERSION PATH"),
    (re.compile(r'^\{.*"value": ?"[\w.*-]+".*\}2$'), "AN ID TOKEN, 2 VARIABLES"),
    (re.compile(r"<RSAKeyValue>.*</RSAKeyValue>|<public_key>"), "PUBLIC KEY"),
)
_ANEW_FIELDS = {"id": int, "nbf": int, "exp": int, "osDescription": str, "jti": str, "sub": str, "iss": str}
"""Of these the kind is compared, not the value."""
_CUT = "…"
_PARTS = (("/renewjob", LEASE), ("/completejob", END), ("WorkflowStepsUpdate", UPDATES), ("/feed", FEED),
          ("/twirp/", RESULTS), ("runnerresolve", ACTIONS), ("/action", ACTIONS))  # fmt: skip


def actor(call: Call) -> str:
    path = call.path
    if "/api/v3/" in path:
        return CONFIGURATION
    if call.method == FRAME:
        return LINES
    for part, who in _PARTS:
        if part in path:
            return who
    return RESULTS if call.method == "PUT" else LISTENER


def of(calls: Iterable[Call], who: str) -> list[Call]:
    return [call for call in calls if actor(call) == who]


def plain(call: Call, root: Path) -> dict[str, Any]:
    """What must be the same; ``root`` is where the runner lives."""
    return {
        "call": f"{call.method} {_address(call)}",
        "query": {name: _value(name, value, root) for name, value in call.query.items() if name != "sig"},
        "headers": {**call.headers, "authorization": call.scheme},
        "body": _value("", call.body, root),
        "status": call.status,
    }


def merged_updates(calls: Iterable[Call], root: Path) -> dict[str, Any]:
    """The last that was told of each step; what is told in between depends on where half a second ends."""
    states: dict[str, Any] = {}
    for call in calls:
        states |= {step["external_id"]: step for step in call.body["steps"]}
    return {f"{step['number']} {step['name']}": _value("", step, root) for step in states.values()}


def said(lines: Iterable[str]) -> list[str]:
    """What a Listener printed, without time stamps."""
    return [_replaced(line, Path("/nowhere")) for line in lines]


def _address(call: Call) -> str:
    """After the actor's base: the rest of a path is the server's choice."""
    if call.method == "PUT":
        return "a blob"
    if actor(call) == ACTIONS and call.method == "GET":
        return "an archive"
    if actor(call) in (FEED, LINES):
        return "the feed"
    if actor(call) == CONFIGURATION:
        return call.path
    if "/actions/build/" in call.path:
        return _GUID.sub("ID", call.path[call.path.index("/actions/build/") :])
    return call.path.rpartition("/sandbox/")[2].partition("/")[2]


def _value(name: str, value: Any, root: Path) -> Any:
    if name in _ANEW_FIELDS and isinstance(value, _ANEW_FIELDS[name]):
        return f"a {_ANEW_FIELDS[name].__name__}"
    if isinstance(value, dict):
        return {key: _value(key, each, root) for key, each in value.items()}
    if isinstance(value, list):
        return [_value("", each, root) for each in value]
    if not isinstance(value, str):
        return value
    return _log(value, root) if value.startswith("\ufeff") else _replaced(value, root)


def _log(text: str, root: Path) -> list[str]:
    """The lines of an uploaded log without their stamps; each stamp is looked at on the way."""
    lines = text.removeprefix("\ufeff").split("\n")
    stamped = [line for line in lines if line and not line.endswith(_CUT)]
    whole = [re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z (.*)", line) for line in stamped]
    return ["BOM", *(_replaced(found[1], root) if found else f"unstamped: {line}"
                     for found, line in zip(whole, stamped, strict=True))]  # fmt: skip


def _replaced(text: str, root: Path) -> str:
    text = re.sub(r"/srv/runners/[^/]+", "ROOT", text.replace(str(root), "ROOT"))
    for pattern, instead in _ANEW:
        text = pattern.sub(instead, text)
    return text
