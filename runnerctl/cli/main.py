"""The root of the command line, and the one place where errors become exit statuses.

Commands are imported when they are called for: ``runnerctl --help`` imports Click and nothing of the core.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

from runnerctl import __version__

from .options import AUDITED, CliContext, env_file_option, output_option, quiet_option, verbose_option

COMMANDS = {
    "create": "Register a runner and start it",
    "remove": "Deregister, stop and delete runners",
    "status": "Show the state of a runner or of this host",
    "list": "List the runners of this host",
    "jobs": "List the jobs that ran here",
    "history": "Show what happened to a runner, and how long it took",
    "logs": "Show a runner's log",
    "start": "Start a stopped runner",
    "stop": "Stop a runner but keep it installed",
    "restart": "Stop a runner and start it again",
    "undrain": "Take back the drain of a runner",
    "reconcile": "Repair what a crash or an outage left behind",
    "orphans": "Show and clear what runners had to leave behind",
    "package": "List, fetch, prune and verify runner packages",
    "token": "Create, list, rotate and revoke API tokens",
    "audit": "Show who asked for what",
    "state": "Say which machine goes on with a copied state directory",
    "doctor": "Check that this host can run runners",
    "rehearse": "Prove this host with real jobs on a local GitHub",
    "config": "Show or check the settings in force",
    "serve": "Serve the REST API",
    "service": "Install the server as a systemd service",
    "sandbox": "Run a local GitHub for rehearsals",
    "demo": "Play the guide's workflow on a local GitHub",
    "completion": "Print or install tab completion for a shell",
    "help": "Show a page of the manual",
    "reap": "Bring one life up to date (used by supervisors)",
}
"""Name → help line; the module of the same name holds the command."""

ALIASES = {"ls": "list", "ps": "list", "rm": "remove", "delete": "remove", "describe": "status"}
"""What people type who come from other programs."""
HIDDEN = frozenset({"reap"})
EXIT_BROKEN_PIPE = 141
COMPLETE = "_RUNNERCTL_COMPLETE"
"""Set by the shells' scripts: what they ask, such as ``bash_complete`` (Click's convention)."""


class LazyGroup(click.Group):
    """Knows its commands by name and help line; imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - Click's signature
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f".{cmd_name}", __package__).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] == "version":
            return "version", _VERSION, args[1:]
        if args:
            args = [ALIASES.get(args[0], args[0]), *args[1:]]
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise _no_such_command(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


def _show_version() -> None:
    click.echo(f"runnerctl {__version__}")


_VERSION = click.Command("version", callback=_show_version, help="Show the version, as `runnerctl --version` does.")


def _no_such_command(name: str) -> Exception:
    from difflib import get_close_matches

    from runnerctl.core.domain.errors import InvalidRequest

    close = get_close_matches(name, [known for known in COMMANDS if known not in HIDDEN], n=1)
    hint = f"Did you mean {close[0]!r}?" if close else "`runnerctl --help` lists the commands"
    return InvalidRequest(f"No such command {name!r}", hint=hint)


@click.command(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[output_option(), quiet_option(), verbose_option(), env_file_option()],
    epilog="""\b
Examples:
  runnerctl create ci-1 --repo octo-org/octo-repo --labels self-hosted,linux,ci
  runnerctl status ci-1
  runnerctl --output json list""",
)
@click.version_option(__version__, "--version", prog_name="runnerctl", message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context) -> None:
    """Make, watch and remove GitHub Actions runners on this host.

    A runner is registered at GitHub through a GitHub App, runs one job (or many), and leaves nothing behind.
    `runnerctl help` shows the manual, `runnerctl sandbox` a local GitHub to try all of it on.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(args: Sequence[str] | None = None) -> NoReturn:
    """The program: runs ``args`` (default: the process's) and exits."""
    if os.getpid() == 1:
        from .first_process import stand_aside

        stand_aside()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale without '…' is no reason to fail
    # Imports make thousands of objects that stay: looking for garbage among them is a twentieth of a short command.
    gc.set_threshold(20_000)
    if args is None and COMPLETE in os.environ:
        from .completing import answer

        sys.exit(answer(os.environ[COMPLETE]))
    sys.exit(run(sys.argv[1:] if args is None else args))


def run(args: Sequence[str]) -> int:
    """Runs one command line and returns its exit status. Whatever goes wrong has been told to the user by then."""
    try:
        status = _run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read us has gone: nobody is left to tell. The interpreter's own last flush must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    return status


def _invoked(ctx: click.Context) -> int:
    """What the command changed, or could not change, is told to the audit log."""
    try:
        status = root.invoke(ctx) or 0
    except BrokenPipeError:
        _settle(ctx, None)  # it was done, and nobody reads on
        raise
    except BaseException as exc:
        _settle(ctx, exc)
        raise
    _settle(ctx, None)
    return status


def _settle(ctx: click.Context, exc: BaseException | None) -> None:
    if AUDITED in ctx.meta:
        from .auditing import write_entries

        write_entries(ctx, exc)


def _run(args: Sequence[str]) -> int:
    try:
        # Not root.main(): it would make exit 1 of a broken pipe.
        with root.make_context("runnerctl", list(args), obj=CliContext()) as ctx:
            return _invoked(ctx)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as exc:
        from .failures import report

        return report(exc, args)
