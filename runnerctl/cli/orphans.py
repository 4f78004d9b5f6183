"""``runnerctl orphans``."""

from __future__ import annotations

import click

from runnerctl import core
from runnerctl.core import Services
from runnerctl.core.domain.documents import orphan_document
from runnerctl.core.domain.errors import SomeFailed
from runnerctl.core.domain.models import Orphan, OrphanKind

from . import render, runners
from .auditing import audited
from .options import ORPHAN, CliContext, Verb, pass_cli

_DROPPED = ("TRIES", "RUNNER", "KIND", "SINCE")
"""What a narrow terminal does without, in this order."""


class _ListsByItself(click.Group):
    """Without a command of its own it lists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asks_for_help = bool(args) and args[0] in ctx.help_option_names
        if not args or (args[0].startswith("-") and not asks_for_help):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, args or ["list"])


@click.group(
    "orphans", cls=_ListsByItself, no_args_is_help=False, short_help="Show and clear what runners had to leave behind"
)
def command() -> None:
    """Show and clear what could not be cleared when its runner went: registrations at GitHub, and directories.

    An orphan holds no runner's name and no slot. `runnerctl serve` tries each again by itself, less and less often;
    `runnerctl reconcile` tries all of them at once. Without a command, the orphans are listed.
    """


@command.command(
    "list",
    cls=Verb,
    see=("reconcile", "doctor", "remove"),
    epilog="""\b
Examples:
  runnerctl orphans
  runnerctl orphans list --output json""",
)
@pass_cli
def list_(cli: CliContext) -> None:
    """List the orphans: what each is, why it is still there, and when it is tried again."""
    services = cli.services_for_reading()
    orphans = services.store.orphans()
    if not orphans:
        render.talk(cli, "There are no orphans")
    documents = [orphan_document(orphan) for orphan in orphans]
    render.items(cli, documents, lambda: [_row(services, orphan) for orphan in orphans], key="id", drop=_DROPPED)


@command.command(
    "clear",
    cls=Verb,
    exits={5: "there is no such orphan", 10: "some could not be cleared; each is listed"},
    files={"BASE_DIR/.trash/": "Directories that were set aside, by the ids of their runners."},
    epilog="""\b
Examples:
  sudo runnerctl orphans clear
  sudo runnerctl orphans clear 7""",
)
@click.argument("orphan", metavar="[ID]", required=False, type=ORPHAN)
@pass_cli
def clear(cli: CliContext, orphan: str | None) -> None:
    """Try now to clear orphan ID, or all of them.

    Call it with sudo for directories that hold files of root, such as containers leave. Only the runner's own directory
    is deleted: no link is followed, and nothing is deleted while something is mounted in it.
    """
    with core.root_rights(cli.settings(warn=False)) as as_root:
        services = cli.services()
        chosen = services.store.orphans() if orphan is None else [core.find_orphan(services, _number(orphan))]
        audited(services, "orphan.clear", [each.what for each in chosen])
        met = core.clear_orphans(services, chosen, as_root=as_root).failures
    failed = {each.id for each, _ in met}
    for each in chosen:
        if each.id not in failed:
            render.talk(cli, f"Cleared {_words(each)}")
    if not chosen:
        render.talk(cli, "There are no orphans")
    if met:
        raise SomeFailed(
            f"{len(met)} of {len(chosen)} orphans could not be cleared" if len(chosen) > 1 else "It is not cleared",
            [(each.what, error) for each, error in met],
        )


@command.command(
    "forget",
    cls=Verb,
    exits={5: "there is no such orphan", 6: "its runner is still being removed"},
    epilog="""\b
Example:
  runnerctl orphans forget 7""",
)
@click.argument("orphan", metavar="ID", type=ORPHAN)
@pass_cli
def forget(cli: CliContext, orphan: str) -> None:
    """Try orphan ID no more. What it is about stays as it is, and is yours to delete."""
    services = cli.services()
    found = core.find_orphan(services, _number(orphan))
    audited(services, "orphan.forget", [found.what])
    forgotten = core.forget_orphan(services, found.id)
    render.talk(cli, f"Forgot {_words(forgotten)}; it stays")
    render.item(cli, orphan_document(forgotten), _row(services, forgotten), key="id")


def _number(typed: str) -> int:
    if not (typed.isascii() and typed.isdigit() and len(typed) < 19):
        raise click.BadParameter(f"{typed!r} is not the number of an orphan; `runnerctl orphans` lists them")
    return int(typed)


def _words(orphan: Orphan) -> str:
    kind = "registration" if orphan.kind is OrphanKind.REGISTRATION else "directory"
    return f"orphan {orphan.id}, the {kind} {orphan.what}"


def _row(services: Services, orphan: Orphan) -> render.Row:
    now = services.clock.now()
    wait = orphan.next_try_at - now
    return {
        "ID": orphan.id,
        "KIND": orphan.kind,
        "WHAT": orphan.what,
        "RUNNER": orphan.name,
        "REASON": orphan.reason,
        "SINCE": f"{runners.age(now - orphan.created_at)} ago",
        "TRIES": orphan.tries,
        "NEXT TRY": f"in {runners.age(wait)}" if wait > 0 else "now",
        "COMMAND": orphan_document(orphan)["command"],
    }
