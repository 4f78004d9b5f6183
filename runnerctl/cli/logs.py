"""``runnerctl logs``."""

from __future__ import annotations

import click

from runnerctl import core
from runnerctl.core import Services, logs
from runnerctl.core.domain import jobs
from runnerctl.core.domain.models import Runner
from runnerctl.core.logs import LogReader

from . import render
from .options import KNOWN_RUNNER, CliContext, Output, Verb, pass_cli
from .waiting import OBSERVE_SECONDS


@click.command(
    "logs",
    cls=Verb,
    short_help="Show a runner's log",
    exits={5: "no runner has that name"},
    files={"BASE_DIR/NAME/runner.log": "The log, as long as the runner exists."},
    see=("status", "create"),
    epilog="""\b
Examples:
  runnerctl logs ci-1 -n 50
  runnerctl logs ci-1 -f""",
)
@click.argument("name", type=KNOWN_RUNNER)
@click.option("-f", "--follow", is_flag=True, help="Keep printing until the runner ends, or Ctrl-C.")
@click.option(
    "-n", "--tail", type=click.IntRange(min=0), metavar="N", help="Print only the last N lines.  [default: all]"
)
@pass_cli
def command(cli: CliContext, name: str, follow: bool, tail: int | None) -> None:
    """Show the log of runner NAME, also after the runner has ended.

    Use it to see what a runner does, or why it failed. The log holds what the runner itself prints: connections, jobs
    with their results, errors. Lines that begin with [runnerctl] are runnerctl's own; a job can forge all others.
    Secrets are masked. Logs of ended runners stay for the setting log_retention (7 days).
    """
    documented = cli.output in {Output.JSON, Output.YAML}
    if follow and documented:
        raise click.UsageError(f"--follow cannot be combined with --output {cli.output}")
    services = cli.services_for_reading()
    runner = core.get_runner(services, name).runner
    assert runner is not None  # noqa: S101 - get_runner raises for a name never known
    backend, handle = services.backends.reach(runner)
    path = backend.logs(handle)
    lines, reader = logs.read(path, tail=tail)
    if documented:
        render.document(cli.output, {"name": runner.name, "told_by": {"lines": jobs.LOG}, "lines": lines})
    else:
        render.lines(lines)
        if not path.exists():
            render.talk(cli, f"Runner {runner.name!r} has no log" + ("" if runner.live else " any more"))
    if follow:
        _follow(services, runner, reader)
    reader.close()


def _follow(services: Services, runner: Runner, reader: LogReader) -> None:
    while True:
        current = services.store.get(runner.id)  # first: what was written before the end is shown, too
        render.lines(reader.lines())
        if current is None or not current.live:
            return
        services.clock.sleep(OBSERVE_SECONDS)
