"""Live output: lines of the log over a WebSocket, as they come; lossy by design (``JobServerQueue.cs``)."""

from __future__ import annotations

import json
from collections import deque

from ... import pace
from ...github import calls, http1
from ...github.websocket import WebSocket
from .background import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Line = tuple[str, str, int]

_HELD_LINES = 1024
_LONGEST_LINE = 1024
_LINES_A_TURN = 501
_LINES_A_MESSAGE = 100
_LAST_MESSAGES = 2
_QUICK_TURNS = 240
_TRIES = 3


class Feed(Loop):
    """``url`` may be empty: then there is nobody who listens."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._authorization = f"Bearer {token}"
        self._lines: deque[Line] = deque()
        self._turns = 0
        self._socket: WebSocket | None = None
        super().__init__()

    def add(self, step_id: str, line: str, number: int) -> None:
        if line and self._url and len(self._lines) < _HELD_LINES:
            self._lines.append((step_id, line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}...", number))

    def delay(self) -> float:
        self._turns += 1
        return 0.25 if self._turns <= _QUICK_TURNS else 0.5

    def begin(self) -> None:
        for _ in range(_TRIES):
            if not self._url or self._connect():
                return

    def turn(self) -> None:
        self._send_all(list(self._taken(_LINES_A_TURN)), last=False)

    def drain(self) -> None:
        """Of each step the last two messages: who looks now does not want to read them all."""
        self._send_all(list(self._taken(len(self._lines))), last=True)

    def close(self) -> None:
        if self._socket:
            self._socket.close()

    def _taken(self, most: int) -> Iterator[Line]:
        for _ in range(min(most, len(self._lines))):
            yield self._lines.popleft()

    def _send_all(self, lines: list[Line], *, last: bool) -> None:
        for step_id in dict.fromkeys(line[0] for line in lines):
            of_step = [line for line in lines if line[0] == step_id]
            messages = [of_step[at : at + _LINES_A_MESSAGE] for at in range(0, len(of_step), _LINES_A_MESSAGE)]
            for message in messages[-_LAST_MESSAGES:] if last else messages:
                self._send(message)

    def _send(self, lines: list[Line]) -> None:
        content = {"value": [line for _, line, _ in lines], "stepId": lines[0][0], "startLine": lines[0][2],
                   "count": len(lines)}  # fmt: skip
        data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        for _ in range(_TRIES):
            if self._socket is None:
                return
            try:
                self._socket.send(data)
            except http1.Unreachable:
                self._socket = None
                self.pause(pace.backoff(0.1, 0.5))
                self._connect()
            else:
                return

    def _connect(self) -> bool:
        try:
            self._socket = WebSocket(self._url, calls.headers(self._authorization))
        except (http1.Unreachable, ValueError):
            return False
        return True
