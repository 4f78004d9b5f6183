"""The server's log: standard error, one line for each thing that is told, as text or as JSON.

Secrets are masked in whatever is written there, tracebacks included; jobs and callers can put no line and no control
character of theirs into it.
"""

from __future__ import annotations

import json
import logging
import sys
import threading

from runnerctl.core.domain.timestamps import precise
from runnerctl.core.redact import redact

log = logging.getLogger("runnerctl.server")

TEXT, JSON = "text", "json"
FIELDS = ("runner", "runner_id", "request_id", "actor", "method", "path", "status", "code", "step", "job", "repository",
          "run_id", "result", "told_by", "reason")  # fmt: skip
"""What is told beside the sentence, in this order."""
_LONGEST, _LONGEST_FIELD, _LONGEST_TRACE, _MOST_MASKED = 1000, 256, 16 * 1024, 16 * 1024


class Text(logging.Formatter):
    """``INFO runnerctl.server: runner ci-1 takes jobs runner=ci-1 request_id=…``, then a traceback if there is one.

    Without a time: journald has its own.
    """

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={_quoted(value)}" for name, value in _fields(record).items())
        line = f"{record.levelname} {record.name}: {_one_line(record.getMessage(), _LONGEST)}{fields}"
        trace = _trace(self, record)
        return line if trace is None else f"{line}\n{trace}"


class Json(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": precise(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _one_line(record.getMessage(), _LONGEST),
            **_fields(record),
        }
        trace = _trace(self, record)
        return json.dumps(told if trace is None else {**told, "traceback": trace})


def begin(style: str) -> None:
    """From now on, of all loggers; and threads that fail tell it there."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if style == JSON else Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    threading.excepthook = _log_failed_thread


def _fields(record: logging.LogRecord) -> dict[str, str]:
    given = ((name, record.__dict__.get(name)) for name in FIELDS)
    return {name: _one_line(str(value), _LONGEST_FIELD) for name, value in given if value is not None}


def _one_line(text: str, most: int) -> str:
    # Cut twice: half a secret has no form to be known by, and masking all that a stranger sends takes time.
    shown = _printable(redact(text[:_MOST_MASKED])[: most + 1])
    return shown if len(shown) <= most else f"{shown[:most]}…"


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _quoted(value: str) -> str:
    """What has blanks or quotes cannot be taken for another field."""
    plain = value and not any(each in ' "=' for each in value)
    return value if plain else json.dumps(value, ensure_ascii=False)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str | None:
    """Masked as a whole: a key has many lines."""
    if not record.exc_info:
        return None
    text = redact(formatter.formatException(record.exc_info))[-_LONGEST_TRACE:]
    return "\n".join(_printable(line) for line in text.split("\n"))


def _log_failed_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or isinstance(args.exc_value, SystemExit):
        return
    name = args.thread.name if args.thread else "?"
    log.error("thread %s failed", name, exc_info=args.exc_value)
