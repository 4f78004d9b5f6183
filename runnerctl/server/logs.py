"""The server's log: standard error, secrets masked in whatever is written there, tracebacks included."""

from __future__ import annotations

import logging
import sys
import threading

from runnerctl.core.redact import redact

log = logging.getLogger("runnerctl.server")


class _Masking(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def begin() -> None:
    """From now on, of all loggers; and threads that fail tell it there."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Masking("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    threading.excepthook = _log_failed_thread


def _log_failed_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or isinstance(args.exc_value, SystemExit):
        return
    name = args.thread.name if args.thread else "?"
    log.error("thread %s failed", name, exc_info=args.exc_value)
