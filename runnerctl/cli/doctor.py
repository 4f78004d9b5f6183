"""``runnerctl doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runnerctl.core.domain.errors import SomeFailed

from . import render
from .options import CliContext, Verb, pass_cli

if TYPE_CHECKING:
    from runnerctl.core.checks import Finding


@click.command(
    "doctor",
    cls=Verb,
    always_here=True,
    short_help="Check that this host can run runners",
    exits={0: "no errors; warnings do not count", 10: "at least one error"},
    see=("config", "rehearse", "status"),
    epilog="""\b
Examples:
  runnerctl doctor
  runnerctl doctor --offline --output json""",
)
@click.option("--offline", is_flag=True, help="Do not ask GitHub.")
@pass_cli
def command(cli: CliContext, *, offline: bool) -> int:
    """Check settings, secrets, directories, kernel, service and GitHub, and say what to fix.

    Use it before the first runner, after an upgrade, and whenever a create fails. It changes nothing. GitHub is asked
    whether the credentials are good, and when the runner versions that run here end, if that is not known.
    """
    from runnerctl.core.checks import FrontEnd, Level, Subject, findings
    from runnerctl.install import upkeep

    services = cli.services_for_reading(warn=False)
    subject = Subject(services, offline=offline, outdated_units=upkeep.outdated)
    found = list(findings(FrontEnd.OFFLINE if offline else FrontEnd.DOCTOR, subject))
    render.items(cli, [_document(each) for each in found], lambda: [_row(each) for each in found], key="check")
    # The findings are the document that was asked for, so that no error follows them.
    return SomeFailed.exit_code if any(each.level is Level.FAIL for each in found) else 0


def _document(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "level": finding.level,
        "message": finding.message,
        "hint": finding.hint,
        "stops_serve": finding.stops_serve,
    }


def _row(finding: Finding) -> dict[str, Any]:
    return {"CHECK": finding.check, "LEVEL": finding.level, "MESSAGE": finding.message, "HINT": finding.hint}
