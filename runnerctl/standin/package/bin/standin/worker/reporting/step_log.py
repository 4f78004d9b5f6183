"""The log of a step, or of the job: stamped lines, in blocks of 2 MB below ``_diag/blocks`` (``Logging.cs``)."""

from __future__ import annotations

import os

from . import times
from .uploads import Upload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from .uploads import Uploads

_BLOCK_BYTES = 2 * 1024 * 1024
_MARK = b"\xef\xbb\xbf"


class StepLog:
    """``step_id`` is "" for the job's own. Nothing is made before the first line."""

    def __init__(self, directory: str, name: str, step_id: str, uploads: Uploads) -> None:
        self.lines = 0
        self._stem = f"{directory}/{name}"
        self._step_id = step_id
        self._uploads = uploads
        self._blocks = 0
        self._bytes = 0
        self._file: BinaryIO | None = None

    def write(self, line: str) -> None:
        file = self._file or self._begin()
        data = f"{times.stamp(times.now())} {line}".encode("utf-8", "replace")
        file.write(data + b"\n")
        self.lines += 1 + line.count("\n")
        self._bytes += len(data)
        if self._bytes >= _BLOCK_BYTES:
            self._hand_over(last=False)
            self._begin()

    def end(self) -> None:
        if self._file:
            self._hand_over(last=True)

    def _begin(self) -> BinaryIO:
        os.makedirs(os.path.dirname(self._stem), exist_ok=True)
        self._blocks += 1
        self._bytes = 0
        self._file = file = open(f"{self._stem}.{self._blocks}", "xb")  # noqa: SIM115 - closed when it is full, or at the end
        file.write(_MARK)
        return file

    def _hand_over(self, *, last: bool) -> None:
        if self._file is None:
            return
        self._file.close()
        path, first = self._file.name, self._blocks == 1
        self._file = None
        self._uploads.add(Upload(path, self._step_id, first=first, last=last, lines=self.lines))
