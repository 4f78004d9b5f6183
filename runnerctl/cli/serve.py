"""``runnerctl serve``."""

from __future__ import annotations

import click

from .options import FILE, CliContext, Verb, pass_cli


@click.command(
    "serve",
    cls=Verb,
    always_here=True,
    short_help="Serve the REST API",
    see=("service", "token", "doctor"),
    epilog="""\b
Examples:
  runnerctl serve
  runnerctl --env-file /etc/runnerctl/runnerctl.env serve --bind 127.0.0.1:8080""",
)
@click.option(
    "--bind",
    metavar="ADDRESS",
    help="Listen on HOST:PORT, [ADDRESS]:PORT or unix:/path; port 0 picks a free one.  [default: 127.0.0.1:8080]",
)
@click.option(
    "--tls-cert", type=FILE, metavar="FILE", help="TLS certificate and its chain (PEM); read again on SIGHUP."
)
@click.option("--tls-key", type=FILE, metavar="FILE", help="Private key of that certificate (PEM).")
@click.option(
    "--insecure-bind", is_flag=True, default=None, help="Allow an address that other machines reach, without TLS."
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    metavar="FORMAT",
    help="Write the log as text, or as JSON, one object a line.  [default: text]",
)
@pass_cli
def command(
    cli: CliContext,
    *,
    bind: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    insecure_bind: bool | None,
    log_format: str | None,
) -> None:
    """Serve the REST API until SIGTERM or Ctrl-C.

    Use it for workflows and programs that make runners over HTTP, and to have dead runners noticed at once. It needs
    an API token: the setting server.api_token, or tokens of `runnerctl token`. Runners outlive the server; start it
    again and it knows them. To run it as a systemd service, use `runnerctl service install`.

    Its log, on standard error, has a line for each create, start, job, end, restart, removal and refusal, with the
    runner and the id of the request.
    """
    from runnerctl.server.run import serve

    given = {
        "server.bind": bind,
        "server.tls_cert": tls_cert,
        "server.tls_key": tls_key,
        "server.log_format": log_format,
        "server.insecure_bind": None if insecure_bind is None else "true",
    }
    serve(cli.settings({key: value for key, value in given.items() if value is not None}, warn=False))
