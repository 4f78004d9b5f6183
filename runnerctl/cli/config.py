"""``runnerctl config``."""

from __future__ import annotations

from typing import Any

import click

from ..core.settings import Settings
from . import render
from .options import Front, Output, Verb, pass_front


@click.group("config", no_args_is_help=False, short_help="Show or check the settings in force")
def command() -> None:
    """Show or check the settings in force: flag > environment > env file > config file > default."""


@command.command(
    "show",
    cls=Verb,
    epilog="""\b
Examples:
  runnerctl config show
  runnerctl --env-file ./rehearsal.env config show --output json""",
)
@pass_front
def show(front: Front) -> None:
    """Show every setting with its value and where it came from. Secrets are masked."""
    documents = _documents(front.settings())
    render.items(front, documents, lambda: [_row(each) for each in documents], key="key")


@command.command(
    "validate",
    cls=Verb,
    epilog="""\b
Example:
  runnerctl config validate && sudo systemctl restart runnerctl-server""",
)
@pass_front
def validate(front: Front) -> None:
    """Check that settings, key, token and directories can be used. GitHub is not asked."""
    from .checks import check

    settings = front.settings()
    for note in check(settings):
        render.warn(front, note)
    content: dict[str, Any] = {"status": "ok", "env_file": str(settings.env_file) if settings.env_file else None}
    if front.output is Output.TABLE:
        render.lines(["OK"])
    else:
        render.item(front, content, {}, key="status")


def _documents(settings: Settings) -> list[dict[str, Any]]:
    derived = _derived(settings)
    documents = []
    for key, value in settings.values.items():
        shown, origin = derived.get(key, (value.value, value.origin))
        masked = value.setting.secret and shown is not None
        documents.append(
            {
                "key": key,
                "value": value.shown if masked else shown,
                "origin": origin,
                "variable": value.setting.variables[0],
                "secret": value.setting.secret,
                "help": value.setting.help,
            }
        )
    return documents


def _derived(settings: Settings) -> dict[str, tuple[str, str]]:
    """What is in force although nobody set it: it follows from another setting."""
    api, server = settings.github_urls
    derived = {}
    if api != settings.get("github.api_url"):
        derived["github.api_url"] = (api, "follows from github.server_url")
    if server != settings.get("github.server_url"):
        derived["github.server_url"] = (server, "follows from github.api_url")
    if settings.get("package_dir") is None:
        derived["package_dir"] = (str(settings.package_dir), "follows from defaults.base_dir")
    return derived


def _row(document: dict[str, Any]) -> dict[str, Any]:
    value = document["value"]
    if isinstance(value, bool | float):
        value = str(value).lower() if isinstance(value, bool) else f"{value:g}"
    return {"KEY": document["key"], "VALUE": value, "ORIGIN": document["origin"]}
