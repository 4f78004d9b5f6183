"""What the real runner put on the wire, call by call: ``tests/data/real_runner``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.places import DATA

DIRECTORY = DATA / "real_runner"
NAMES = tuple(sorted(path.stem for path in DIRECTORY.glob("*.jsonl")))
HUNG_UP = "hung up by the runner"
FRAME = "WEBSOCKET FRAME"
_HEADERS = ("content-type", "x-ms-blob-type", "x-ms-blob-sealed")
_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One line of a record."""

    record: str
    number: int
    method: str
    path: str
    """Without the query."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    scheme: str | None
    """Of its Authorization."""
    body: Any
    status: int | str
    answer: Any

    @property
    def hung_up(self) -> bool:
        return self.status == HUNG_UP

    @property
    def what(self) -> str:
        """The kind of call: without what differs from one to the next."""
        query = "&".join(f"{name}={value}" for name, value in self.query.items() if name in {"comp", "seal"})
        return f"{self.method} {_GUID.sub('ID', self.path)}{'?' if query else ''}{query}"

    @property
    def id(self) -> str:
        return f"{self.record}-{self.number}"


@cache
def record(name: str) -> tuple[Call, ...]:
    lines = (DIRECTORY / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
    return tuple(_call(name, number, json.loads(line)) for number, line in enumerate(lines) if line)


def all_calls() -> tuple[Call, ...]:
    return tuple(call for name in NAMES for call in record(name))


def _call(name: str, number: int, line: dict[str, Any]) -> Call:
    parts = urlsplit(line["path"])
    return Call(
        record=name,
        number=number,
        method=line["method"],
        path=parts.path,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers={header: line[header] for header in _HEADERS if header in line},
        scheme=line.get("authorization"),
        body=line.get("body"),
        status=line["status"],
        answer=line.get("answer"),
    )
