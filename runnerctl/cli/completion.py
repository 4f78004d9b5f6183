"""``runnerctl completion``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from . import render
from .completing import SHELLS, of
from .options import CliContext, Output, Verb, pass_cli


@click.command(
    "completion",
    cls=Verb,
    short_help="Print or install tab completion for a shell",
    files={
        "~/.local/share/bash-completion/completions/runnerctl": "The script for bash.",
        "~/.local/share/zsh/site-functions/_runnerctl": "The script for zsh; a block in ~/.zshrc loads it.",
        "~/.config/fish/completions/runnerctl.fish": "The script for fish.",
        "/usr/local/share/": "Where root's scripts are, in the directories of each shell.",
    },
    see=("help",),
    epilog="""\b
Examples:
  runnerctl completion bash --install
  sudo runnerctl completion zsh --install
  source <(runnerctl completion bash)""",
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.option("--install", "wanted", flag_value="install", help="Write the script where the shell finds it.")
@click.option("--uninstall", "wanted", flag_value="uninstall", help="Remove what --install wrote.")
@pass_cli
def command(cli: CliContext, *, shell: str, wanted: str | None) -> None:
    """Print the tab completion script for SHELL (bash, zsh or fish), or install it.

    Use it once, and the tabulator completes commands, options, the names of runners with their states, repositories,
    labels, tokens and settings. Packages and `pip install --prefix` put the same script where shells look, so you may
    have it already. With --install, root installs for all users, everybody else for themselves.
    """
    text = of(shell).source()
    if wanted is None:
        _print(cli, shell, text)
        return
    from .completing import installing

    where = installing.place(shell, system_wide=os.geteuid() == 0, environ=os.environ, home=Path.home())
    if wanted == "install":
        _report(cli, "Wrote", installing.install(where, text), f"Completion for {shell} was installed already")
        render.talk(cli, where.next)
    else:
        _report(cli, "Removed", installing.uninstall(where), f"Completion for {shell} is not installed")


def _print(cli: CliContext, shell: str, text: str) -> None:
    if cli.output is Output.TABLE:
        render.verbatim(text)
    else:
        render.item(cli, {"shell": shell, "script": text}, {}, key="shell")


def _report(cli: CliContext, verb: str, changed: list[Path], nothing: str) -> None:
    if not changed:
        render.talk(cli, nothing)
    rows = [{"ACTION": verb.lower(), "PATH": str(path)} for path in changed]
    render.items(cli, [{"action": row["ACTION"], "path": row["PATH"]} for row in rows], lambda: rows, key="path")
