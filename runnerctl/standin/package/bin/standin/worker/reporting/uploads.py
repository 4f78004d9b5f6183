"""Logs and summaries on their way to the results service: once a second, and what is left at the end."""

from __future__ import annotations

import os
from collections import deque

from ...github import calls, http1
from .background import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...host.terminal import DiagnosticLog
    from .results import Results

_FILES_A_TURN = 11


class Upload:
    """``lines`` of None makes it a summary; ``step_id`` of "" the job's own log."""

    def __init__(self, path: str, step_id: str, *, first: bool = True, last: bool = True, lines: int | None = None):
        self.path = path
        self.step_id = step_id
        self.first = first
        self.last = last
        self.lines = lines


class Uploads(Loop):
    def __init__(self, results: Results | None, log: DiagnosticLog) -> None:
        self._results = results
        self._log = log
        self._files: deque[Upload] = deque()
        super().__init__()

    def add(self, upload: Upload) -> None:
        self._files.append(upload)

    def delay(self) -> float:
        return 1.0

    def turn(self) -> None:
        self._send(_FILES_A_TURN)

    def drain(self) -> None:
        self._send(len(self._files))

    def _send(self, most: int) -> None:
        for _ in range(min(most, len(self._files))):
            upload = self._files.popleft()
            try:
                if self._results:
                    self._upload(self._results, upload)
            except (calls.Refused, http1.Unreachable, OSError, KeyError, ValueError) as exc:
                self._log.write(f"Catch exception during file upload to results, keep going: {exc}")
            if upload.lines is not None and os.path.exists(upload.path):
                os.unlink(upload.path)

    def _upload(self, results: Results, upload: Upload) -> None:
        with open(upload.path, "rb") as file:
            data = file.read()
        if upload.lines is None:
            results.upload_summary(upload.step_id, data)
        elif upload.step_id:
            results.upload_step_log(upload.step_id, data, first=upload.first, last=upload.last, lines=upload.lines)
        else:
            results.upload_job_log(data, first=upload.first, last=upload.last, lines=upload.lines)
