"""``runnerctl rehearse``."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from . import render
from .failures import in_words
from .options import FILE, CliContext, Output, Verb, pass_cli
from .waiting import terminated_as_interrupted

if TYPE_CHECKING:
    from runnerctl.rehearsal.proofs import Proof
    from runnerctl.rehearsal.rehearse import Rehearsal

_FAILED = 1


@click.command(
    "rehearse",
    cls=Verb,
    always_here=True,
    short_help="Prove this host with real jobs on a local GitHub",
    exits={
        0: "all was proved",
        1: "something failed; its cause and what to do are shown",
        2: "it cannot be tried here",
    },
    see=("doctor", "demo", "sandbox"),
    files={"BASE_DIR/.rehearsal-ID": "its state and package, while it runs"},
    epilog="""\b
Examples:
  sudo runnerctl rehearse
  runnerctl rehearse --stand-in --output json
  sudo runnerctl rehearse --package 2.336.0""",
)
@click.option(
    "--package",
    type=FILE,
    metavar="FILE|VERSION",
    help="Try this runner package: a tar.gz, or a version.  [default: the newest that is here, else GitHub's]",
)
@click.option("--stand-in", is_flag=True, help="Try a stand-in for the runner package, which needs no network.")
@pass_cli
def command(cli: CliContext, *, package: str | None, stand_in: bool) -> int:
    """Prove that this host runs jobs, before GitHub is involved.

    Use it before the first runner, and after a change of settings, kernel or distribution. It makes runners as the
    settings say (backend, users, limits, job variables, hooks) on a local GitHub, and runs jobs on them: one that
    succeeds, one that fails, one that is cancelled, one in a drain, and a persistent runner's. A job looks around for
    what it should not reach. What `doctor` checks comes first.

    Runners that are here are left alone, and nothing stays behind. It takes less than a minute. GitHub is asked for
    nothing, but for a runner package where none is here.
    """
    if package is not None and stand_in:
        raise click.UsageError("--stand-in takes the place of --package")
    from runnerctl.rehearsal.rehearse import Asked, Rehearsal, open_listener

    began = time.monotonic()
    listener = open_listener()  # first: root becomes the state directory's owner, who may have no such port
    with closing(listener), terminated_as_interrupted(signal.SIGTERM, signal.SIGHUP):
        asked = Asked(package=package, stand_in=stand_in, progress=render.download_meter(cli))
        rehearsal = Rehearsal(services=cli.services_for_reading(), listener=listener, asked=asked)
        try:
            proofs = list(_told(cli, rehearsal))
        finally:
            for sentence in rehearsal.left:
                render.warn(cli, sentence)
    return _report(cli, rehearsal, proofs, time.monotonic() - began)


def _told(cli: CliContext, rehearsal: Rehearsal) -> Iterator[Proof]:
    from runnerctl.rehearsal.proofs import Began

    # Closed in any case: an interruption may come while the last line is being written.
    with closing(rehearsal.play()) as progress:
        for each in progress:
            if isinstance(each, Began):
                render.talk(cli, f"{each.title} …")
            else:
                yield each


def _report(cli: CliContext, rehearsal: Rehearsal, proofs: list[Proof], seconds: float) -> int:
    from runnerctl.rehearsal.proofs import Level

    documents = [_document(each) for each in proofs]
    if cli.output in {Output.JSON, Output.YAML}:
        package = {"version": rehearsal.version, "source": rehearsal.source} if rehearsal.version else None
        summary = {"package": package, "seconds": round(seconds, 2), "memory_bytes": rehearsal.memory or None}
        render.document(cli.output, {"items": documents, **summary, "left": rehearsal.left})
    else:
        render.items(cli, documents, lambda: [_row(each) for each in documents], key="check")
    failures = sum(each.level is Level.FAIL for each in proofs)
    render.talk(cli, _summary(rehearsal, proofs, failures, seconds))
    return _FAILED if failures else 0


def _summary(rehearsal: Rehearsal, proofs: list[Proof], failures: int, seconds: float) -> str:
    from runnerctl.core.domain.phrases import counted
    from runnerctl.rehearsal.proofs import Level

    skipped = sum(each.level is Level.SKIPPED for each in proofs)
    memory = f"; a Listener with its Worker had {rehearsal.memory / 1e6:.0f} MB" if rehearsal.memory else ""
    untried = f", {skipped} not tried" if skipped else ""
    outcome = f"{counted(failures, 'check')} failed" if failures else "This host runs jobs as its settings say"
    return f"{outcome}{untried}, in {seconds:.1f} s{memory}"


def _document(proof: Proof) -> dict[str, Any]:
    return {
        "check": proof.check,
        "level": str(proof.level),
        "seconds": None if proof.seconds is None else round(proof.seconds, 2),
        "message": in_words(proof.message),
        "hint": in_words(proof.hint),
    }


def _row(document: dict[str, Any]) -> dict[str, Any]:
    seconds = document["seconds"]
    return {
        "CHECK": document["check"],
        "LEVEL": document["level"],
        "SECONDS": None if seconds is None else f"{seconds:.1f}",
        "MESSAGE": document["message"],
        "HINT": document["hint"],
    }
