"""``runnerctl help``."""

from __future__ import annotations

import os
import shutil
import sys

import click

from runnerctl.core.domain.errors import InvalidRequest

from . import render
from .options import TOPIC, CliContext, Output, Verb, pass_cli


@click.command(
    "help",
    cls=Verb,
    short_help="Show a page of the manual",
    see=("completion",),
    epilog="""\b
Examples:
  runnerctl help create
  runnerctl help package fetch
  runnerctl help exit-status""",
)
@click.argument("topic", metavar="[TOPIC...]", nargs=-1, type=TOPIC)
@pass_cli
@click.pass_context
def command(ctx: click.Context, cli: CliContext, topic: tuple[str, ...]) -> None:
    """Show the page of the manual about TOPIC: a command, `env`, `yaml` or `exit-status`.

    Without TOPIC, show the page about runnerctl as a whole. On a terminal the page is shown by `$PAGER`, or `less`. For
    the options of a command alone, use `runnerctl COMMAND --help`; where man finds the pages, `man runnerctl-create`
    shows the same.
    """
    from .main import ALIASES
    from .manual import text, topics

    root = ctx.find_root().command
    page = topics.find(root, " ".join((ALIASES.get(topic[0], topic[0]), *topic[1:])) if topic else "")
    if page is None:
        raise _no_such_topic(" ".join(topic), [*topics.BESIDE_COMMANDS, *root.list_commands(ctx)])  # type: ignore[attr-defined]
    terminal = sys.stdout.isatty() and cli.output is Output.TABLE
    styled = terminal and not os.environ.get("NO_COLOR")
    shown = text.shown(page, width=shutil.get_terminal_size().columns, styled=styled)
    if cli.output is not Output.TABLE:
        render.item(cli, {"page": page.file_name, "text": shown}, {}, key="page")
    elif terminal:
        os.environ.setdefault("LESS", "FRX")  # as git does: what fits on the screen is not paged
        click.echo_via_pager(shown)
    else:
        render.verbatim(shown)


def _no_such_topic(topic: str, known: list[str]) -> InvalidRequest:
    from difflib import get_close_matches

    close = get_close_matches(topic, known, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else "`runnerctl help` lists the commands"
    return InvalidRequest(f"There is no page about {topic!r}", hint=hint)
