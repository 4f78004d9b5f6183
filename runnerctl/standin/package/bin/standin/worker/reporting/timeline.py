"""Timeline records: what is known about the job and each of its steps, and the three forms in which it is reported."""

from __future__ import annotations

import re

from . import times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PENDING, IN_PROGRESS, COMPLETED = 5, 3, 6
SUCCEEDED, FAILED, CANCELED, SKIPPED = "succeeded", "failed", "canceled", "skipped"
_CONCLUSIONS = {SUCCEEDED: 2, FAILED: 3, CANCELED: 4, SKIPPED: 7}
_WORST = (SUCCEEDED, SKIPPED, FAILED, CANCELED)
_LEVELS = {"error": "failure", "warning": "warning", "notice": "notice"}
_NUMBER = re.compile(r"[\t-\r ]*[+-]?[0-9]{1,19}[\t-\r ]*")
_TOO_LARGE = 2**31
_MOST_ISSUES = 10
_LONGEST_MESSAGE = 4096


def merged(result: str | None, other: str) -> str:
    """The worse of two results."""
    return max(result or SUCCEEDED, other, key=_WORST.index)


class Record:
    """``number`` is None for the job itself, which is not a step."""

    def __init__(self, record_id: str, name: str, number: int | None) -> None:
        self.id = record_id
        self.name = name
        self.number = number
        self.state = PENDING
        self.started = 0
        self.finished = 0
        self.result: str | None = None
        self.issues: list[dict[str, Any]] = []
        self.action = ""
        self.reference = ""
        self.kind = ""

    def add_issue(self, issue: dict[str, Any]) -> None:
        """At most ten of a type are kept."""
        if sum(each["type"] == issue["type"] for each in self.issues) < _MOST_ISSUES:
            self.issues.append(issue)

    def update(self) -> dict[str, Any]:
        """As ``WorkflowStepsUpdate`` wants it."""
        return {
            "external_id": self.id, "number": self.number, "name": self.name, "status": self.state,
            "started_at": times.milliseconds(self.started) if self.started else None,
            "completed_at": times.milliseconds(self.finished) if self.finished else None,
            "conclusion": _CONCLUSIONS.get(self.result or "", 0),
        }  # fmt: skip

    def step_result(self) -> dict[str, Any]:
        """As ``completejob`` wants it: what is empty is left out."""
        described = {
            "external_id": self.id, "number": self.number, "name": self.name, "action_name": self.action,
            "ref": self.reference, "type": self.kind, "status": "completed", "conclusion": self.result,
            "started_at": times.exact(self.started), "completed_at": times.exact(self.finished),
        }  # fmt: skip
        return {name: value for name, value in described.items() if value} | {
            "annotations": [annotation(issue) for issue in self.issues]
        }


def issue(kind: str, message: str, data: dict[str, str], *, number: int | None, line: int) -> dict[str, Any]:
    return {"type": kind, "message": message[:_LONGEST_MESSAGE], "data": data, "number": number, "line": line}


def annotation(issue: dict[str, Any]) -> dict[str, Any]:
    """An issue that names no file points into the log."""
    data = issue["data"]
    path = str(data.get("file") or "")
    line = _number(data.get("line"), 0)
    end = _number(data.get("endLine"), line)
    column = _number(data.get("col"), 0)
    if not path.strip() and not line:
        line = end = issue["line"]
    described = {
        "level": _LEVELS[issue["type"]], "message": issue["message"], "title": data.get("title"),
        "path": path if path.strip() else None, "startLine": line, "endLine": end, "startColumn": column,
        "endColumn": _number(data.get("endColumn"), column), "stepNumber": issue["number"],
    }  # fmt: skip
    return {name: value for name, value in described.items() if value}


def _number(text: str | None, otherwise: int) -> int:
    """As .NET's ``int.TryParse`` has it: with a sign and blanks around, of 32 bits."""
    number = int(text) if text and _NUMBER.fullmatch(text) else _TOO_LARGE
    return number if -_TOO_LARGE <= number < _TOO_LARGE else otherwise
