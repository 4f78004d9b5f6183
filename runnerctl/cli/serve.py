"""``runnerctl serve``."""

from __future__ import annotations

import click

from .options import Front, Verb, pass_front


@click.command(
    "serve",
    cls=Verb,
    short_help="Offer the REST API",
    epilog="""\b
Examples:
  runnerctl serve
  runnerctl --env-file /etc/runnerctl/runnerctl.env serve --bind 127.0.0.1:8080""",
)
@click.option(
    "--bind",
    metavar="ADDRESS",
    help="HOST:PORT, [ADDRESS]:PORT or unix:/path; port 0 picks one.  [default: setting, 127.0.0.1:8080]",
)
@pass_front
def command(front: Front, bind: str | None) -> None:
    """Offer the REST API until SIGTERM or Ctrl-C. Runners go on without it."""
    from ..server.run import serve

    serve(front.settings({} if bind is None else {"server.bind": bind}))
