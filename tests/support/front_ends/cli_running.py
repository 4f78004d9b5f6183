"""The command line run in this process, through the very boundary that ``main()`` has, or on a terminal of its own."""

from __future__ import annotations

import inspect
import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from runnerctl.cli.main import run


@dataclass(frozen=True, kw_only=True)
class Ran:
    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        return json.loads(self.stdout)

    @property
    def error(self) -> Any:
        return self.document["error"]

    @property
    def rows(self) -> list[dict[str, str]]:
        """The tab-separated table, by column."""
        header, *lines = (line.split("\t") for line in self.stdout.splitlines())
        return [dict(zip(header, line, strict=True)) for line in lines]


# Click 8.1 mixes the streams unless told not to, 8.2 cannot.
_APART: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


def cli(*args: str, env: Mapping[str, str] | None = None, input: str | None = None) -> Ran:
    with CliRunner(**_APART).isolation(input=input, env=env) as streams:
        status = run(args)
        return Ran(status=status, stdout=_text(streams[0]), stderr=_text(streams[1]))


def on_a_terminal(*args: str, columns: int = 120) -> tuple[int, str]:
    """Exit status and output of the program with a terminal as its standard output."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-m", "runnerctl", *args], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                block = os.read(ours, 65536)
            except OSError:  # how Linux tells that nobody holds the other side any more
                break
            shown += block
        os.close(ours)
    return process.returncode, shown.decode().replace("\r\n", "\n")


def _text(stream: Any) -> str:
    return str(stream.getvalue().decode())
