"""``runnerctl demo``: the guide's workflow on a local GitHub."""

from __future__ import annotations

import click

from runnerctl.core.errors import BackendFailed

from . import playbill
from .options import Verb


@click.command("demo", cls=Verb)
def command() -> None:
    """Play the guide's workflow on a local GitHub.

    Starts a sandbox GitHub and a server in a temporary directory, makes runners over HTTP, runs jobs on them and
    removes them. No account and no network is needed; it takes under 20 seconds and leaves nothing.

    \b
    Example:
      runnerctl demo
    """
    from . import rehearsal

    problem = playbill.show(rehearsal.play())
    if problem:
        raise BackendFailed(f"The demo failed: {problem}", hint="Please report this with the lines above")
