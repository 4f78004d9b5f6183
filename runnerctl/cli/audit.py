"""``runnerctl audit``."""

from __future__ import annotations

import json
from collections.abc import Iterable
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
    files={
        "STATE_DIR/audit.log": "What was changed, one JSON document a line; older ones are audit.log.1 and so on.",
        "STATE_DIR/refused.log": "Who was refused, and who asked for what was so already; rotated by itself.",
    },
    see=("token", "serve"),
    epilog="""\b
Examples:
  runnerctl audit -n 20
  runnerctl audit -f
  runnerctl audit --refused""",
)
@click.option("--refused", is_flag=True, help="Show only what was refused, or was so already.")
@click.option("-f", "--follow", is_flag=True, help="Keep printing what is added, until Ctrl-C.")
@click.option(
    "-n", "--tail", type=click.IntRange(min=0), metavar="N", help="Print only the last N lines.  [default: all]"
)
@pass_cli
def command(cli: CliContext, refused: bool, follow: bool, tail: int | None) -> None:
    """Show who asked for what, over HTTP and on the command line, and the result.

    Use it to find out who created, stopped or removed a runner, and who was refused. Each line has the time, the
    caller, the action, the object and the result. Of many refusals within a minute, only the first are listed, and the
    others counted.
    """
    if follow and cli.output in {Output.JSON, Output.YAML}:
        raise click.UsageError(f"--follow cannot be combined with --output {cli.output}")
    services = cli.services_for_reading()
    granted, refused_ = services.audit.paths
    begun = [logs.read(path, tail=tail) for path in ([refused_] if refused else [granted, refused_])]
    entries = _by_time(lines for lines, _ in begun)
    entries = entries if tail is None else entries[max(0, len(entries) - tail) :]
    render.items(cli, entries, lambda: [_row(entry) for entry in entries], key="action")
    while follow:
        for entry in _by_time(list(reader.lines()) for _, reader in begun):
            render.lines(["\t".join(map(render.cell, _row(entry).values()))])
        services.clock.sleep(_OBSERVE_SECONDS)
    for _, reader in begun:
        reader.close()


def _by_time(files: Iterable[list[str]]) -> list[dict[str, Any]]:
    return sorted((entry for lines in files for entry in _entries(lines)), key=lambda entry: str(entry.get("time")))


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
