"""``runnerctl history``."""

from __future__ import annotations

from typing import Any

import click

from runnerctl import core
from runnerctl.core.domain.timestamps import precise

from . import render
from .options import KNOWN_RUNNER, CliContext, Output, Verb, pass_cli


@click.command(
    "history",
    cls=Verb,
    short_help="Show what happened to a runner, and how long it took",
    see=("status", "jobs", "logs", "audit"),
    epilog="""\b
Examples:
  runnerctl history ci-1
  runnerctl history ci-1 --output json""",
)
@click.argument("name", type=KNOWN_RUNNER)
@pass_cli
def command(cli: CliContext, name: str) -> None:
    """Show what happened to runner NAME, oldest first: its states, its jobs, and what was wanted of it by whom.

    Use it to find out where the time went. MS is the time since the line before; TOOK names the parts of its making:
    provision (package and directory), github (registration), launch (its processes), listener (until it takes jobs).
    """
    found = core.history(cli.services_for_reading(), name)
    parts = {part: _milliseconds(seconds) for part, seconds in found.took._asdict().items()}
    events = [_document(each) for each in found.happened]
    content = {"name": found.runner.name, "id": found.runner.id, "took": parts, "events": events}
    if cli.output is Output.TABLE:
        render.table([_row(each, parts) for each in found.happened])
    else:
        render.item(cli, content, {}, key="name")


def _document(happened: core.Happened) -> dict[str, Any]:
    event = happened.event
    return {
        "seq": event.seq,
        "at": precise(event.at),
        "ms": _milliseconds(happened.seconds),
        "type": event.type,
        "from": event.old,
        "to": event.new,
        "reason": event.reason,
        "data": dict(event.data),
    }


_TOLD_WITH = {"registered": ("provision", "github"), "idle": ("launch", "listener")}
"""Parts of the making, by the state in which they end."""


def _row(happened: core.Happened, parts: dict[str, int | None]) -> render.Row:
    event = happened.event
    known = _TOLD_WITH.get(event.new or "", ()) if event.old in {"pending", "starting"} else ()
    return {
        "AT": precise(event.at),
        "MS": _milliseconds(happened.seconds),
        "STATE": event.new,
        "WHAT": happened.text,
        "TOOK": [f"{part} {parts[part]} ms" for part in known if parts[part] is not None],
    }


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
