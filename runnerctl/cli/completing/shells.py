"""What the shells have in common: how a command line comes in, and what is mended of Click's reading of it.

Beside ``click/shell_completion.py`` of Click 8.1 to 8.5: words come one by one and not as one text, so that no quoting
is lost; ``--option=VALUE`` is understood however a shell passes it, and completed with what is before it;
``-qo VALUE`` is ``-q -o VALUE``; after what is no command, nothing is offered.
"""

from __future__ import annotations

import os

import click
from click.shell_completion import CompletionItem, ShellComplete

from .tree import NoSuchCommand, short_flags, valued_options

BETWEEN_WORDS = "\x1f"


class Shell(ShellComplete):
    """Subclasses hold their shell's script, and write an answer as that script reads it."""

    prefix = ""
    """What of the word to complete is not the value: ``--option=``."""

    def words(self) -> list[str]:
        """The command line up to the cursor, without quoting; the last word is the one to complete."""
        return os.environ["COMP_WORDS"].split(BETWEEN_WORDS)

    def get_completion_args(self) -> tuple[list[str], str]:
        *args, incomplete = self.words()[1:] or [""]
        option, equals, value = incomplete.partition("=")
        if equals and option.startswith("--"):
            self.prefix = f"{option}="
            return [*args, option], value
        return _apart(args), incomplete

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        if self.prefix and args[-1] not in valued_options():
            return []
        if self.prefix and incomplete.startswith("-"):
            return []  # Click would take it for another option
        try:
            found = super().get_completions(args, incomplete)
        except (NoSuchCommand, click.ClickException):
            return []
        return list({(each.type, each.value): each for each in found}.values())

    def complete(self) -> str:
        args, incomplete = self.get_completion_args()
        items = self.get_completions(args, incomplete)
        return "".join(f"{self.format_completion(item)}\n" for item in items)


def described(item: CompletionItem) -> str:
    """Its help as one line."""
    return " ".join((item.help or "").split())


def _apart(args: list[str]) -> list[str]:
    """A last word such as ``-qo`` is two options, of which the last may take a value."""
    last = args[-1] if args else ""
    if len(last) > 2 and last[0] == "-" and last[1] != "-" and set(last[1:-1]) <= short_flags():
        return [*args[:-1], last[:-1], f"-{last[-1]}"]
    return args
