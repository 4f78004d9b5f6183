"""``runnerctl doctor``."""

from __future__ import annotations

import click

from runnerctl.core.domain.errors import SomeFailed

from . import render
from .options import CliContext, Verb, pass_cli


@click.command(
    "doctor",
    cls=Verb,
    short_help="Check that this host can run runners",
    exits={0: "no errors; warnings do not count", 10: "at least one error"},
    see=("config", "status"),
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
    one question: whether the credentials are good.
    """
    from runnerctl.core import doctor

    findings = list(doctor.diagnose(cli.services_to_look_at(), ask_github=not offline))
    render.items(
        cli,
        [finding._asdict() for finding in findings],
        lambda: [{name.upper(): value for name, value in finding._asdict().items()} for finding in findings],
        key="check",
    )
    # The findings are the document that was asked for, so that no error follows them.
    return SomeFailed.exit_code if any(finding.level is doctor.Level.ERROR for finding in findings) else 0
