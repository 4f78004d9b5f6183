"""``runnerctl reconcile``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import click

from runnerctl import core
from runnerctl.core import Finding, Services, Sweep
from runnerctl.core.domain import documents
from runnerctl.core.domain.errors import RunnerBusy, SomeFailed
from runnerctl.core.domain.phrases import counted

from . import render
from .auditing import audited
from .options import CliContext, Verb, pass_cli


@click.command(
    "reconcile",
    cls=Verb,
    short_help="Repair what a crash or an outage left behind",
    exits={10: "some runners could not be repaired, or GitHub could not be asked; each is listed"},
    see=("status", "doctor", "orphans", "serve"),
    epilog="""\b
Examples:
  runnerctl reconcile --dry-run
  runnerctl reconcile""",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--local", is_flag=True, help="Check this host only; do not ask GitHub.")
@pass_cli
def command(cli: CliContext, *, dry_run: bool, local: bool) -> None:
    """Compare the known runners with their processes and with GitHub, and repair what differs.

    Use it where no server runs: `runnerctl serve` does the same every ten seconds. It replaces dead supervisors,
    finishes removals that waited for GitHub, and removes runners that GitHub no longer knows. It never touches a
    running job.
    """
    from runnerctl.core import RegistrationPoller, sweep

    services = cli.services_for_reading() if dry_run else cli.services()
    if not dry_run:
        audited(services, "reconcile", ["host"])
    swept = sweep(services, None if local else RegistrationPoller(services), dry_run=dry_run)
    told = {finding.runner.id for finding in swept.findings} if dry_run else set()
    resting = [*_resting(services, told), *_offline(services, told)]
    held_back = core.held_back(services)
    if not (swept.findings or resting or held_back or swept.orphans or swept.unlisted):
        render.talk(cli, "Everything is as it should be")
    render.items(cli, list(map(_document, swept.findings)), lambda: list(map(_row, swept.findings)), key="name")
    for runner in swept.replaced:
        render.talk(cli, f"{runner.name} was created again: GitHub no longer knew it")
    for sentence in resting:
        render.talk(cli, sentence)
    for reason in held_back:
        render.talk(cli, reason)
    if swept.orphans:
        render.talk(cli, f"{swept.orphans}; `runnerctl orphans` shows why, and what clears them")
    _raise_failures(swept)


def _raise_failures(swept: Sweep) -> None:
    unrepaired = [(finding.runner.name, finding.error) for finding in swept.findings if finding.error]
    unlisted = [(str(scope), error) for scope, error in swept.unlisted]
    # One that waits for a job, or for a create, is cleared after it: nothing has failed.
    left = [(orphan, error) for orphan, error in swept.uncleared if not isinstance(error, RunnerBusy)]
    uncleared = [(orphan.name, error) for orphan, error in left]
    said = [
        f"{counted(len(unrepaired), 'runner')} could not be repaired" if unrepaired else "",
        f"GitHub could not be asked about {', '.join(name for name, _ in unlisted)}" if unlisted else "",
        f"{core.counted_orphans(orphan for orphan, _ in left)} could not be cleared" if left else "",
    ]
    if failures := [*unrepaired, *unlisted, *uncleared]:
        raise SomeFailed("; ".join(filter(None, said)), failures)


def _resting(services: Services, told: Collection[str]) -> Iterator[str]:
    """Those that should run and do not, until their time has come; those aside of whom it was ``told`` otherwise."""
    absent = services.store.absences()
    for runner in services.store.live():
        if runner.id not in told and (when := core.restart_text(services, runner)) is not None:
            listed = "; the last list from GitHub did not show it" if runner.id in absent else ""
            yield f"{runner.name} {when}: {runner.reason}{listed}"


def _offline(services: Services, told: Collection[str]) -> Iterator[str]:
    """Those that live and that GitHub shows as offline: after another listing something is done about it."""
    for runner in services.store.live():
        if runner.offline_since is not None and runner.id not in told:
            status = core.observe(services, runner)
            text = None if status.seen is None else documents.offline_text(runner, status.seen, status.now)
            if text is not None:
                yield f"{runner.name}: {text}"


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
