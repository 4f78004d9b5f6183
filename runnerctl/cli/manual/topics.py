"""All pages, and the words that ask for them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from . import commands, settings, statuses
from .page import Page

BESIDE_COMMANDS = {
    "env": "Settings as variables: runnerctl.env",
    "yaml": "Settings as YAML: runnerctl.yaml",
    "exit-status": "What exit statuses and error codes mean",
}
"""Topics that are no commands, and what they are."""


def pages(root: click.Command) -> Iterator[Page]:
    yield from commands.pages(root)
    yield from settings.pages()
    yield statuses.page()


def find(root: click.Command, topic: str) -> Page | None:
    """By a command, by one of its commands, by a page's name or the end of it: ``package fetch``, ``env``."""
    name = topic.removeprefix("runnerctl").lstrip("-. ")
    wanted = {name, name.replace(" ", "-"), name.partition(" ")[0]}
    for page in pages(root):
        if page.name.removeprefix("runnerctl").lstrip("-.") in wanted:
            return page
    return None
