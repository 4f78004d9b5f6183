"""``runnerctl reconcile``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from .. import core
from ..core.durations import shown
from ..core.errors import SomeFailed
from ..core.reconcile import Finding
from ..core.services import Services
from . import render
from .auditing import concerning
from .options import Front, Verb, pass_front


@click.command(
    "reconcile",
    cls=Verb,
    short_help="Put right what a crash or an outage left",
    epilog="""\b
Examples:
  runnerctl reconcile --dry-run
  runnerctl reconcile""",
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@click.option("--local", is_flag=True, help="Look at this host only; do not ask GitHub.")
@pass_front
def command(front: Front, *, dry_run: bool, local: bool) -> None:
    """Compare what is known of the runners with their processes and with GitHub, and put right what differs.

    `runnerctl serve` does this by itself, every ten seconds. A job that runs is never touched.
    """
    from ..core.listings import Listings
    from ..core.reconcile import sweep

    services = front.services()
    if not dry_run:
        concerning(services, "reconcile", ["host"])
    swept = sweep(services, None if local else Listings(services), dry_run=dry_run)
    resting = list(_resting(services))
    if not (swept.findings or resting):
        render.talk(front, "Everything is as it should be")
    render.items(front, list(map(_document, swept.findings)), lambda: list(map(_row, swept.findings)), key="name")
    for runner in swept.replaced:
        render.talk(front, f"{runner.name} was made again: GitHub had lost it")
    for sentence in resting:
        render.talk(front, sentence)
    for reason in core.held_back(services):
        render.talk(front, reason)
    if swept.orphans:
        render.talk(front, f"{swept.orphans} registrations are still to be cleared at GitHub; they are tried again")
    failures = [(finding.runner.name, finding.error) for finding in swept.findings if finding.error]
    if failures:
        raise SomeFailed(f"{len(failures)} runners could not be put right", failures)


def _resting(services: Services) -> Iterator[str]:
    """Those that should run and do not, until their time has come."""
    for runner in services.store.live():
        if (seconds := core.seconds_to_restart(services, runner)) is not None:
            yield f"{runner.name} is started again in {shown(seconds)}: {runner.reason}"


def _document(finding: Finding) -> dict[str, Any]:
    action = finding.action
    return {
        "name": finding.runner.name,
        "id": finding.runner.id,
        "was": finding.runner.state,
        "step": action.step,
        "state": action.state,
        "reason": action.reason,
    }


def _row(finding: Finding) -> dict[str, Any]:
    return {name.upper(): value for name, value in _document(finding).items() if name != "id"}
