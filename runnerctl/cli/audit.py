"""``runnerctl audit``."""

from __future__ import annotations

import json
from typing import Any

import click

from runnerctl.core import logs

from . import render
from .options import CliContext, Output, Verb, pass_cli

_OBSERVE_SECONDS = 0.2
_COLUMNS = ("time", "actor", "source", "action", "object", "result", "request_id")


@click.command(
    "audit",
    cls=Verb,
    short_help="Show who asked for what",
    files={"STATE_DIR/audit.log": "The audit log, one JSON document a line; older ones are audit.log.1 and so on."},
    see=("token", "serve"),
    epilog="""\b
Examples:
  runnerctl audit -n 20
  runnerctl audit -f""",
)
@click.option("-f", "--follow", is_flag=True, help="Keep printing what is added, until Ctrl-C.")
@click.option(
    "-n", "--tail", type=click.IntRange(min=0), metavar="N", help="Print only the last N lines.  [default: all]"
)
@pass_cli
def command(cli: CliContext, follow: bool, tail: int | None) -> None:
    """Show who asked for what, over HTTP and on the command line, and the result.

    Use it to find out who created, stopped or removed a runner, and who was refused. Each line has the time, the
    caller, the action, the object and the result.
    """
    if follow and cli.output in {Output.JSON, Output.YAML}:
        raise click.UsageError(f"--follow cannot be combined with --output {cli.output}")
    services = cli.services_for_reading()
    lines, reader = logs.read(services.audit.path, tail=tail)
    entries = _entries(lines)
    render.items(cli, entries, lambda: [_row(entry) for entry in entries], key="action")
    while follow:
        for entry in _entries(list(reader.lines())):
            render.lines(["\t".join(map(render.cell, _row(entry).values()))])
        services.clock.sleep(_OBSERVE_SECONDS)
    reader.close()


def _entries(lines: list[str]) -> list[dict[str, Any]]:
    """A line that a full disk cut short is left out."""
    entries = []
    for line in lines:
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def _row(entry: dict[str, Any]) -> render.Row:
    return {name.upper(): entry.get(name) for name in _COLUMNS}
