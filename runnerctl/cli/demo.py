"""``runnerctl demo``: the guide's workflow on a local GitHub."""

from __future__ import annotations

import click

from runnerctl.core.domain.errors import BackendFailed
from runnerctl.rehearsal import demo, report

from .options import Verb


@click.command(
    "demo",
    cls=Verb,
    short_help="Play the guide's workflow on a local GitHub",
    exits={8: "the demo failed"},
    see=("sandbox", "serve"),
    epilog="""\b
Examples:
  runnerctl demo
  runnerctl demo > demo.txt""",
)
def command() -> None:
    """Play the guide's workflow on a local GitHub.

    Use it to see what runnerctl does before you set anything up. It starts a local GitHub and a server in a temporary
    directory, makes runners over HTTP, runs jobs on them and removes them. It needs no account and no network, takes
    about half a minute and leaves nothing.
    """
    problem = report.show(demo.play())
    if problem:
        raise BackendFailed(f"The demo failed: {problem}", hint="Please report this with the lines above")
