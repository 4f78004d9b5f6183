"""``runnerctl status``."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from runnerctl import core
from runnerctl.core import Services
from runnerctl.core.domain import documents, sizes

from . import render, runners
from .options import KNOWN_RUNNER, CliContext, Verb, pass_cli

EXIT_STATUS = {
    documents.RUNNING: 0,
    documents.INSTALLED: 3,  # systemctl's number for what is there and does not run
    documents.NOT_INSTALLED: 5,
    documents.UNKNOWN: 8,
}


@click.command(
    "status",
    cls=Verb,
    short_help="Show the state of a runner or of this host",
    exits={
        0: "the runner runs, or NAME was not given",
        3: "the runner is installed, but does not run",
        5: "the runner is not installed",
        8: "the runner's processes cannot be seen from here; it may run",
    },
    see=("list", "logs", "doctor"),
    epilog="""\b
Examples:
  runnerctl status ci-1
  runnerctl status ci-1 --quiet && echo it runs
  runnerctl status""",
)
@click.argument("name", required=False, type=KNOWN_RUNNER)
@pass_cli
def command(cli: CliContext, name: str | None) -> int:
    """Show the state of runner NAME: its process, its job, its package, and what GitHub last said.

    The state `connecting` and its reason are what the runner's own output says: it cannot reach GitHub, and tries on.

    Without NAME, show this host: how many runners there are, in which states, the limits, the disk space in use, and
    what is degraded. Use it in scripts for its exit status. `describe` is another name of this command.
    """
    services = cli.services_for_reading()
    if name is None:
        overview = _overview(services)
        render.card(cli, overview, _overview_row(overview), key="state_dir")
        return 0
    status = core.get_runner(services, name)
    render.card(cli, documents.status_document(status), runners.status_row(status), key="name")
    return EXIT_STATUS[status.word]


def _overview(services: Services) -> dict[str, Any]:
    seen = [core.observe(services, runner) for runner in services.store.live()]
    settings = services.settings
    return {
        "runners": len(seen),
        "running": sum(status.word == documents.RUNNING for status in seen),
        "unknown": sum(status.word == documents.UNKNOWN for status in seen),
        "states": dict(Counter(str(status.state) for status in seen if status.runner)),
        "state_dir": str(settings.state_dir),
        "base_dir": str(settings.base_dir),
        "package_dir": str(settings.package_dir),
        "backend": services.backend.name,
        "degraded": services.backend.degraded,
        "of_another_host": services.whose.refusal is not None,
        "orphans": len(services.store.orphans()),
        "held_back": core.held_back(services),
        "limits": {"max_runners": settings.max_runners, "min_free_space": settings.min_free_space},
        "sizes": core.disk_sizes(services)._asdict(),
    }


def _overview_row(overview: dict[str, Any]) -> dict[str, Any]:
    row = {name.upper(): value for name, value in overview.items()}
    limits = overview["limits"]
    return {
        **row,
        "ORPHANS": f"{overview['orphans']} (runnerctl orphans)" if overview["orphans"] else 0,
        "STATES": [f"{count} {state}" for state, count in overview["states"].items()],
        "LIMITS": [
            f"{limits['max_runners'] or 'any number of'} runners",
            f"{sizes.shown(limits['min_free_space'])} free",
        ],
        "SIZES": [
            f"{name} {'not counted' if size is None else sizes.shown(size)}" for name, size in overview["sizes"].items()
        ],
    }
