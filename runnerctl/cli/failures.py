"""Errors as users see them: a line and a hint, or one document; and the exit status they mean."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import click

from runnerctl.core.domain.durations import shown
from runnerctl.core.domain.errors import FieldError, Interrupted, InvalidRequest, RunnerctlError, SomeFailed
from runnerctl.core.domain.phrases import spoken
from runnerctl.core.redact import redact

from . import render
from .options import Output

WORDS = {
    "drain": "--drain",
    "force": "--force",
    "expires": "--expires",
    "max_runners": "--max-runners",
    "repo": "--repo",
    "clear_orphan": "`sudo runnerctl orphans clear %s` clears it",
    "list_all": "`runnerctl list --all`",
    "logs": "`runnerctl logs %s`",
    "orphans": "`runnerctl orphans`",
    "remove": "`runnerctl remove %s`",
    "remove_force": "`runnerctl remove --force %s`",
    "replace": "--replace",
    "status": "`runnerctl status %s`",
    "tries_again": "`runnerctl serve` tries again by itself, `runnerctl reconcile` at once",
}
"""How what core's errors name is typed here."""
_OUTPUT = re.compile(r"(?:--output=|-[qvf]*o=?)(.*)", re.DOTALL)
_VERBOSE = re.compile(r"--verbose|-[qo]*v[qvo]*")


class PartlyDone(SomeFailed):
    """Some of several failed; ``done`` holds the documents of the others."""

    def __init__(
        self, message: str, failures: Sequence[tuple[str, RunnerctlError]], *, done: Sequence[dict[str, Any]]
    ) -> None:
        super().__init__(message, failures)
        self.done = tuple(done)


def report(exc: BaseException, args: Sequence[str]) -> int:
    """Tells the user what went wrong in the form ``args`` ask for, even if they could not be parsed."""
    error = as_error(exc)
    output = wanted_output(args)
    if output in {Output.JSON, Output.YAML}:
        render.document(output, document(error))
    else:
        render.lines(text(error), sys.stderr)
    if any(_VERBOSE.fullmatch(word) for word in args):
        from traceback import format_exception

        # Masked as a whole: a key has many lines.
        render.lines(redact("".join(format_exception(exc))).splitlines(), sys.stderr)
    return error.exit_code


def as_error(exc: BaseException) -> RunnerctlError:
    if isinstance(exc, RunnerctlError):
        return exc
    if isinstance(exc, KeyboardInterrupt | click.Abort):
        return Interrupted("Interrupted")
    if isinstance(exc, click.ClickException):
        return _misuse(exc)
    return RunnerctlError(
        render.cell(f"Internal error: {type(exc).__name__}: {exc}"),
        hint="Run it again with --verbose and report what it shows",
    )


def _misuse(exc: click.ClickException) -> InvalidRequest:
    ctx = getattr(exc, "ctx", None)
    hint = f"`{ctx.command_path if ctx else 'runnerctl'} --help` shows what is allowed"
    close = getattr(exc, "possibilities", None)
    if close:
        hint = f"Did you mean {close[0]}?"
    message = render.cell(_said(exc).rstrip("."))
    param = getattr(exc, "param", None)
    errors = [FieldError(param.name, message)] if param is not None and param.name else []
    return InvalidRequest(message, hint=hint, errors=errors)


def _said(exc: click.ClickException) -> str:
    if isinstance(exc, click.NoSuchOption):
        return f"No such option {exc.option_name!r}"  # Click's own words changed from version to version
    return exc.format_message()


def wanted_output(args: Sequence[str]) -> Output:
    """The last ``--output`` among the words of the command line."""
    found = Output.TABLE
    for position, word in enumerate(args):
        if word == "--":
            break
        form = _OUTPUT.fullmatch("--output=" if word == "--output" else word)
        if form is None:
            continue
        value = form[1] or (args[position + 1] if position + 1 < len(args) else "")
        found = Output(value) if value in set(Output) else found
    return found


def document(error: RunnerctlError) -> dict[str, Any]:
    inner: dict[str, Any] = {"code": error.code, "message": _spoken(error.message), "hint": _spoken(error.hint)}
    if error.errors:
        inner["errors"] = [{"field": each.field, "message": _spoken(each.message)} for each in error.errors]
    if error.retry_after is not None:
        inner["retry_after"] = error.retry_after
    if isinstance(error, SomeFailed):
        inner["failures"] = [
            {"name": name, "code": each.code, "message": _spoken(each.message), "hint": _spoken(each.hint)}
            for name, each in error.failures
        ]
    done = {"items": list(error.done)} if isinstance(error, PartlyDone) else {}
    return {"error": inner, **done}


def text(error: RunnerctlError) -> list[str]:
    lines = [f"Error: {_spoken(error.message)}"]
    lines += [f"  {each.field}: {_spoken(each.message)}" for each in error.errors if each.message != error.message]
    if isinstance(error, SomeFailed):
        for name, each in error.failures:
            lines.append(f"  {name}: {_spoken(each.message)}")
            lines += [f"    Try again in {shown(each.retry_after)}"] if each.retry_after is not None else []
            lines += [f"    Hint: {_spoken(each.hint)}"] if each.hint else []
    if error.retry_after is not None:
        lines.append(f"Try again in {shown(error.retry_after)}")
    if error.hint:
        lines.append(f"Hint: {_spoken(error.hint)}")
    return lines


def in_words(text: str) -> str:
    """What core says, with what it names as it is typed here."""
    return spoken(text, WORDS)


def _spoken(text: str | None) -> str | None:
    return None if text is None else spoken(text, WORDS)
