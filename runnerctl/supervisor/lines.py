"""The Listener's output, cut into clean lines, and what its lines say.

A job can write to the same place and forge every one of them.
"""

from __future__ import annotations

import explaining
import masking

MAX_LINE = 8 * 1024
"""Bytes; what is longer loses its rest."""

_CONTROLS = {
    number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160)) if number != ord("\t")
} | {0x2028: "\\u2028", 0x2029: "\\u2029"}  # fmt: skip
_DIGITS = str.maketrans("123456789", "000000000")
_CUT = " […]"

LISTENING, RUNNING, COMPLETED, UPDATING, STOPPING, FAILING, DELETED, CONNECTING, RECONNECTED, BROKEN = (
    "listening", "running", "completed", "updating", "stopping", "failing", "deleted", "connecting", "reconnected",
    "broken",
)  # fmt: skip
_WHOLE = {
    "Exiting...": STOPPING,
    "Runner update in progress, do not shutdown runner.": UPDATING,
    "Generate and execute update script.": UPDATING,
    "Runner will exit shortly for update, should be back online within 10 seconds.": UPDATING,
}
_TIMED = {"Listening for Jobs": LISTENING, "Runner reconnected.": RECONNECTED}
_BEGINNINGS = (
    ("The runner no longer exists on the server.", DELETED),
    # Said before the line that only says that the connecting failed, which comes once (L/MessageListener.cs).
    ("A session for this runner already exists.", CONNECTING),
    ("The local machine's clock may be out of sync with the server time by more than five minutes.", CONNECTING),
    ("An error occurred: ", FAILING),
    # These are followed by an exit with 1 (actions/runner, BrokerMessageListener.cs).
    ("Failed to create a session. ", FAILING),
    ("Failed to create session. ", FAILING),
)


class Event:
    """What one line says: a kind, and the job's name and result or the error's text."""

    __slots__ = ("kind", "result", "text")

    def __init__(self, kind: str, text: str = "", result: str | None = None) -> None:
        self.kind = kind
        self.text = text
        self.result = result


class LineSplitter:
    """Bytes in, whole lines out, secrets masked: what is logged, recorded and told of them comes from here."""

    def __init__(self) -> None:
        self._masked = masking.Lines()
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[str]:
        *whole, rest = (self._rest + data).split(b"\n")
        if whole and self._skipping:
            del whole[0]
            self._skipping = False
        found = [self._clean(line) for line in whole]
        if self._skipping:
            rest = b""
        elif len(rest) > MAX_LINE:
            found.append(self._clean(rest))
            rest, self._skipping = b"", True
        self._rest = rest
        return found

    def end(self) -> list[str]:
        """The line that was left without its end."""
        rest, self._rest, self._skipping = self._rest, b"", False
        return [self._clean(rest)] if rest else []

    def _clean(self, line: bytes) -> str:
        tail = _CUT if len(line) > MAX_LINE else ""
        text = line[:MAX_LINE].removesuffix(b"\r").decode(errors="replace")
        return self._masked.mask(printable(text)) + tail


def printable(text: str) -> str:
    """On one line, whatever it holds."""
    return text if text.isprintable() else text.translate(_CONTROLS)


def understand(line: str) -> Event | None:
    """None for a line that says nothing about the runner's state."""
    said = _without_time(line)
    if said != line and (event := _understand_timed(said)) is not None:
        return event
    if (kind := _WHOLE.get(said)) is not None:
        return Event(kind)
    if (broken := explaining.cause(said)) is not None:
        return Event(BROKEN, broken)
    for beginning, kind in _BEGINNINGS:
        if said.startswith(beginning):
            return Event(kind, said.removeprefix("An error occurred: "))
    return None


def _understand_timed(said: str) -> Event | None:
    """The lines that the Listener always begins with the time."""
    if said in _TIMED:
        return Event(_TIMED[said])
    if said.startswith("Running job: "):
        return Event(RUNNING, said[len("Running job: ") :])
    if said.startswith("Job "):
        name, middle, result = said[len("Job ") :].rpartition(" completed with result: ")
        return Event(COMPLETED, name, result) if middle and result.isalpha() else None
    if said.startswith("Runner connect error: "):
        return Event(CONNECTING, said.removesuffix(" Retrying until reconnected."))
    return None


def _without_time(line: str) -> str:
    """``2026-11-24 03:57:14Z: `` taken off; the line itself if it does not begin so."""
    if line[19:22] == "Z: " and line[:19].translate(_DIGITS) == "0000-00-00 00:00:00":
        return line[22:]
    return line
