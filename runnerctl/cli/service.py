"""``runnerctl service``."""

from __future__ import annotations

import click

from ..core.errors import InvalidRequest
from ..core.service.files import File, Link, all_files
from ..core.service.install import plan_install
from ..core.service.layout import UNIT, Backend, Layout, here
from ..core.service.steps import Step, take
from ..core.service.uninstall import left_behind, plan_uninstall
from . import render
from .options import Front, Output, Verb, pass_front

_user = click.option("--user", default="runnerctl", show_default=True, metavar="USER", help="Who the server runs as.")
_backend = click.option(
    "--backend",
    type=click.Choice([str(each) for each in Backend]),
    default=str(Backend.SYSTEMD),
    show_default=True,
    help="What runners are: units of their own, or processes of the server's user (with `run_as`, if that is root).",
)


@click.group("service", no_args_is_help=False, short_help="Install the server as a systemd service")
def command() -> None:
    """Install, show and uninstall the systemd service: user, directories, settings and units."""


@command.command(
    "print",
    cls=Verb,
    epilog="""\b
Examples:
  runnerctl service print
  runnerctl service print runnerctl-server.service""",
)
@click.argument("name", required=False)
@_backend
@_user
@pass_front
def print_(front: Front, name: str | None, backend: str, user: str) -> None:
    """Show the files as they would be written: all, or NAME alone and nothing else."""
    files = all_files(here(user=user, backend=Backend(backend)))
    if name is None:
        _show_files(front, files)
        return
    found = next((each for each in files if each.path.name == name), None)
    if found is None:
        raise InvalidRequest(
            f"No file of the service is named {name!r}", hint=f"One of: {', '.join(each.path.name for each in files)}"
        )
    render.verbatim(found.text)


@command.command(
    "install",
    cls=Verb,
    epilog="""\b
Examples:
  sudo runnerctl service install --dry-run
  sudo runnerctl service install --now""",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--now", is_flag=True, help="Start the server, too; restart it if its unit changed.")
@_backend
@_user
@pass_front
def install(front: Front, dry_run: bool, now: bool, backend: str, user: str) -> None:
    """Make user, directories, settings and units, and enable the server. Shows what was missing or differed.

    A second time there is nothing to do. What the env file holds is never changed.
    """
    layout = here(user=user, backend=Backend(backend))
    steps = plan_install(layout, start=now)
    _carry_out(front, steps, dry_run=dry_run)
    if not dry_run:
        _say_next(front, layout, steps, now=now)


@command.command(
    "uninstall",
    cls=Verb,
    epilog="""\b
Examples:
  sudo runnerctl service uninstall --dry-run
  sudo runnerctl service uninstall --purge""",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--purge", is_flag=True, help="Settings, keys, state, logs, packages and the user go, too.")
@click.option("--force", is_flag=True, help="Though runners live: they go on, without a manager. Not with --purge.")
@pass_front
def uninstall(front: Front, dry_run: bool, purge: bool, force: bool) -> None:
    """Stop and disable the server and remove its units. Settings, state and user stay, unless --purge."""
    layout = here()
    _carry_out(front, plan_uninstall(layout, purge=purge, force=force), dry_run=dry_run)
    if purge and not dry_run:
        for path in left_behind(layout):
            render.warn(front, f"{str(path)!r} stays: it does not belong to the service's user")


def _carry_out(front: Front, steps: list[Step], *, dry_run: bool) -> None:
    if not dry_run:
        take(steps)
    if not steps:
        render.talk(front, "There is nothing to do")
    documents = [{"action": step.action, "target": step.target, "done": not dry_run} for step in steps]
    rows = [{"ACTION": step.action, "TARGET": step.target} for step in steps]
    render.items(front, documents, lambda: rows, key="target")


def _say_next(front: Front, layout: Layout, steps: list[Step], *, now: bool) -> None:
    name = UNIT.removesuffix(".service")
    actions = {step.action for step in steps}
    if "make user" in actions or "write" in actions:
        render.talk(front, f"Settings, and the API token, are in {layout.env_file}")
    if not now and "replace" in actions:
        render.talk(front, f"A server that runs goes on as it is until: systemctl restart {name}")
    elif not now and steps:
        render.talk(front, f"When GitHub's credentials are set there: systemctl start {name}")


def _show_files(front: Front, files: tuple[File | Link, ...]) -> None:
    if front.output is Output.TABLE:
        render.verbatim("\n".join(f"### {_heading(each)}\n{each.text}" for each in files))
        return
    documents = [
        {"name": each.path.name, "path": str(each.path), "is": _heading(each), "text": each.text} for each in files
    ]
    render.items(front, documents, list, key="name")


def _heading(file: File | Link) -> str:
    if isinstance(file, Link):
        return f"{file.path} -> {file.target}"
    return f"{file.path} ({file.mode:04o} {file.owner}:{file.group})"
