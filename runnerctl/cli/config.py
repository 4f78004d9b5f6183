"""``runnerctl config``."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from runnerctl.core import BY_KEY, Settings
from runnerctl.core.domain.errors import InvalidRequest

from . import render
from .options import SETTING, CliContext, Output, Verb, pass_cli


@click.group("config", no_args_is_help=False, short_help="Show or check the settings in force")
def command() -> None:
    """Show or check the settings in force.

    Use it to find out which value counts and where it comes from. A flag wins over the environment, the environment
    over the env file, the env file over the config file, the config file over the default.
    """


@command.command(
    "show",
    cls=Verb,
    always_here=True,
    see=("doctor",),
    epilog="""\b
Examples:
  runnerctl config show
  runnerctl config show state_dir defaults.labels
  runnerctl --env-file ./rehearsal.env config show --output json""",
)
@click.argument("keys", metavar="[KEY...]", nargs=-1, type=SETTING)
@pass_cli
def show(cli: CliContext, keys: tuple[str, ...]) -> None:
    """Show every setting, or those named, with value and origin. Secrets are masked."""
    _known(keys)
    settings = cli.settings()
    documents = [each for each in _documents(settings) if not keys or each["key"] in keys]
    render.items(cli, documents, lambda: [_row(each, settings) for each in documents], key="key")


@command.command(
    "validate",
    cls=Verb,
    always_here=True,
    epilog="""\b
Example:
  runnerctl config validate && sudo systemctl restart runnerctl-server""",
)
@pass_cli
def validate(cli: CliContext) -> None:
    """Check that settings, key, token and directories can be used. Does not ask GitHub."""
    from .checks import check

    settings = cli.settings(warn=False)
    for note in check(settings):
        render.warn(cli, note)
    content: dict[str, Any] = {"status": "ok", "env_file": str(settings.env_file) if settings.env_file else None}
    if cli.output is Output.TABLE:
        render.lines(["OK"])
    else:
        render.item(cli, content, {}, key="status")


def _known(keys: tuple[str, ...]) -> None:
    unknown = next((key for key in keys if key not in BY_KEY), None)
    if unknown is not None:
        close = get_close_matches(unknown, BY_KEY, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "`runnerctl config show` lists all settings"
        raise InvalidRequest(f"{unknown!r} is not a setting", hint=hint)


def _documents(settings: Settings) -> list[dict[str, Any]]:
    documents = []
    for key, value in settings.values.items():
        as_text = isinstance(value.value, Path) or (value.setting.secret and value.value is not None)
        documents.append(
            {
                "key": key,
                "value": value.shown if as_text else value.value,
                "origin": value.origin,
                "variable": value.setting.variables[0],
                "secret": value.setting.secret,
                "help": value.setting.help,
            }
        )
    return documents


def _row(document: dict[str, Any], settings: Settings) -> dict[str, Any]:
    value = document["value"]
    if isinstance(value, dict):
        value = " ".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, bool | float):
        value = settings.values[document["key"]].shown
    return {"KEY": document["key"], "VALUE": value, "ORIGIN": document["origin"]}
