"""``runnerctl doctor``."""

from __future__ import annotations

import click

from ..core.errors import SomeFailed
from . import render
from .options import Front, Verb, pass_front


@click.command(
    "doctor",
    cls=Verb,
    short_help="Tell whether this host is fit to run runners",
    epilog="""\b
Exit status: 0 without errors, 10 with any; warnings do not count.

\b
Examples:
  runnerctl doctor
  runnerctl doctor --offline --output json""",
)
@click.option("--offline", is_flag=True, help="Do not ask GitHub.")
@pass_front
def command(front: Front, *, offline: bool) -> int:
    """Look at settings, secrets, directories, kernel and GitHub, and tell what is not as it should be.

    Nothing is made or changed. GitHub is asked one thing: who we are.
    """
    from ..core import doctor

    findings = list(doctor.diagnose(front.services_to_look_at(), ask_github=not offline))
    render.items(
        front,
        [finding._asdict() for finding in findings],
        lambda: [{name.upper(): value for name, value in finding._asdict().items()} for finding in findings],
        key="check",
    )
    # The findings are the document that was asked for, so that no error follows them.
    return SomeFailed.exit_code if any(finding.level is doctor.Level.ERROR for finding in findings) else 0
