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
@click.option("--tls-cert", metavar="FILE", help="Certificate and chain (PEM); read again on SIGHUP.")
@click.option("--tls-key", metavar="FILE", help="Its key (PEM).")
@click.option("--insecure-bind", is_flag=True, default=None, help="Listen where other machines reach us, without TLS.")
@pass_front
def command(
    front: Front, *, bind: str | None, tls_cert: str | None, tls_key: str | None, insecure_bind: bool | None
) -> None:
    """Offer the REST API until SIGTERM or Ctrl-C. Runners go on without it."""
    from ..server.run import serve

    given = {
        "server.bind": bind,
        "server.tls_cert": tls_cert,
        "server.tls_key": tls_key,
        "server.insecure_bind": None if insecure_bind is None else "true",
    }
    serve(front.settings({key: value for key, value in given.items() if value is not None}))
