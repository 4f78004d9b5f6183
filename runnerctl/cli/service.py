"""``runnerctl service``."""

from __future__ import annotations

import sys

import click

from runnerctl.core.domain.errors import InvalidRequest
from runnerctl.install.files import File, Link, all_files
from runnerctl.install.install import plan_install
from runnerctl.install.layout import UNIT, Backend, Layout, here
from runnerctl.install.steps import Step, take
from runnerctl.install.uninstall import left_behind, plan_uninstall

from . import render
from .options import UNIT_FILE, CliContext, Output, Verb, pass_cli

_user = click.option(
    "--user", default="runnerctl", show_default=True, metavar="USER", help="Run the server as this user."
)
_backend = click.option(
    "--backend",
    type=click.Choice([str(each) for each in Backend]),
    default=str(Backend.SYSTEMD),
    show_default=True,
    help="Run each runner as a systemd unit of its own, or as a process of the server.",
)


@click.group("service", no_args_is_help=False, short_help="Install the server as a systemd service")
def command() -> None:
    """Install, show and uninstall the systemd service: user, directories, settings and units.

    Use it to run `runnerctl serve` at every boot. With the backend `systemd`, each runner is a unit with a user and a
    sandbox of its own.
    """


@command.command(
    "print",
    cls=Verb,
    epilog="""\b
Examples:
  runnerctl service print
  runnerctl service print runnerctl-server.service""",
)
@click.argument("name", required=False, type=UNIT_FILE)
@_backend
@_user
@pass_cli
def print_(cli: CliContext, name: str | None, backend: str, user: str) -> None:
    """Print the files that `service install` would write: all of them, or the one named NAME."""
    files = all_files(here(user=user, backend=Backend(backend)))
    if name is None:
        _show_files(cli, files)
        return
    found = next((each for each in files if each.path.name == name), None)
    if found is None:
        raise InvalidRequest(
            f"{name!r} is not a file of the service", hint=f"One of: {', '.join(each.path.name for each in files)}"
        )
    render.verbatim(found.text)


@command.command(
    "install",
    cls=Verb,
    files={
        "/etc/runnerctl/runnerctl.env": "Settings and a fresh API token; never overwritten.",
        "/etc/runnerctl/app-key.pem": "The App's private key, for systemd to hand to the server.",
        "/etc/systemd/system/runnerctl-server.service": "The server's unit.",
    },
    see=("serve", "doctor"),
    epilog="""\b
Examples:
  sudo runnerctl service install --dry-run
  sudo runnerctl service install --now""",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--now", is_flag=True, help="Also start the server, or restart it if its unit changed.")
@_backend
@_user
@pass_cli
def install(cli: CliContext, dry_run: bool, now: bool, backend: str, user: str) -> None:
    """Make the user, directories, settings and units, and enable the server. Needs root.

    Shows what was missing or different. Running it again is safe: it never changes an env file that exists.
    """
    layout = here(user=user, backend=Backend(backend))
    steps = plan_install(layout, start=now)
    _carry_out(cli, steps, dry_run=dry_run)
    if not dry_run:
        _say_next(cli, layout, steps, now=now)


@command.command(
    "uninstall",
    cls=Verb,
    epilog="""\b
Examples:
  sudo runnerctl service uninstall --dry-run
  sudo runnerctl service uninstall --purge --yes""",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--purge", is_flag=True, help="Also delete settings, keys, state, logs, packages and the user.")
@click.option(
    "--force", is_flag=True, help="Uninstall even if runners are running; they continue unmanaged. Not with --purge."
)
@click.option("--yes", is_flag=True, help="Do not ask before --purge deletes.")
@pass_cli
def uninstall(cli: CliContext, dry_run: bool, purge: bool, force: bool, yes: bool) -> None:
    """Stop and disable the server and remove its units. Settings, state and user stay, unless --purge. Needs root."""
    layout = here()
    steps = plan_uninstall(layout, purge=purge, force=force)
    if purge and steps and not (dry_run or yes or _is_agreed()):
        render.talk(cli, "Nothing was uninstalled")
        return
    _carry_out(cli, steps, dry_run=dry_run)
    if purge and not dry_run:
        for path in left_behind(layout):
            render.warn(cli, f"{str(path)!r} stays: it does not belong to the service's user")


def _is_agreed() -> bool:
    if not sys.stdin.isatty():
        raise InvalidRequest("uninstall --purge asks before it deletes", hint="Pass --yes")
    return render.agreed("Delete settings, keys, state, logs, packages and the user of the service?")


def _carry_out(cli: CliContext, steps: list[Step], *, dry_run: bool) -> None:
    if not dry_run:
        take(steps)
    if not steps:
        render.talk(cli, "Nothing to do")
    documents = [{"action": step.action, "target": step.target, "done": not dry_run} for step in steps]
    rows = [{"ACTION": step.action, "TARGET": step.target} for step in steps]
    render.items(cli, documents, lambda: rows, key="target")


def _say_next(cli: CliContext, layout: Layout, steps: list[Step], *, now: bool) -> None:
    name = UNIT.removesuffix(".service")
    actions = {step.action for step in steps}
    if "make user" in actions or "write" in actions:
        render.talk(cli, f"Settings and the API token are in {layout.env_file}")
    if not now and "replace" in actions:
        render.talk(cli, f"The running server still uses the old unit. Restart it: systemctl restart {name}")
    elif not now and steps:
        render.talk(cli, f"Set GitHub's credentials there, then start the server: systemctl start {name}")


def _show_files(cli: CliContext, files: tuple[File | Link, ...]) -> None:
    if cli.output is Output.TABLE:
        render.verbatim("\n".join(f"### {_heading(each)}\n{each.text}" for each in files))
        return
    documents = [
        {"name": each.path.name, "path": str(each.path), "is": _heading(each), "text": each.text} for each in files
    ]
    render.items(cli, documents, list, key="name")


def _heading(file: File | Link) -> str:
    if isinstance(file, Link):
        return f"{file.path} -> {file.target}"
    return f"{file.path} ({file.mode:04o} {file.owner}:{file.group})"
