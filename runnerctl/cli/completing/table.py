"""The table of words, made of the commands themselves: ``words.py`` is what ``source`` returns.

Used by ``make generate`` and by the test that the table is not stale; completion itself never imports it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click

from ..options import Word

_HEAD = '''"""The words of the command line. Made by `make generate` from the commands: do not edit.

Command -> (what it does, its parameters, its commands); a parameter is (names, kind, choices, whether it may come more
than once, what it does). A kind is `flag`, `file`, `dir`, one of values.FOUND, or nothing.
"""

Parameter = tuple[tuple[str, ...], str, tuple[str, ...], bool, str | None]
COMMANDS: dict[str, tuple[str, tuple[Parameter, ...], tuple[str, ...]]] = {
'''


def source(root: click.Command, topics: dict[str, str], aliases: dict[str, str]) -> str:
    """The module's text."""
    lines = [_HEAD]
    for path, command in commands(root):
        ctx = click.Context(command)
        names = tuple(_shown(command, ctx)) if isinstance(command, click.Group) else ()
        lines.append(f"    {path!r}: (\n        {_line(command.get_short_help_str(200))!r},\n        (\n")
        lines += [f"            {row!r},\n" for row in _rows(command)]
        lines.append(f"        ),\n        {names!r},\n    ),\n")
    return "".join([*lines, "}\n", f"TOPICS = {topics!r}\n", f"ALIASES = {aliases!r}\n"])


def commands(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that is not hidden, with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in _shown(command, ctx):
            found = command.get_command(ctx, name)
            if found is not None:
                yield from commands(found, f"{path} {name}".strip())


def _shown(group: click.Group, ctx: click.Context) -> list[str]:
    return [name for name in group.list_commands(ctx) if not getattr(group.get_command(ctx, name), "hidden", False)]


def _rows(command: click.Command) -> Iterator[tuple[Any, ...]]:
    for param in command.params:
        if getattr(param, "hidden", False) or param.name is None:
            continue
        if isinstance(param, click.Option):
            flag = param.is_flag or param.count
            yield _names(param), "flag" if flag else _kind(param), _choices(param), param.multiple, _line(param.help)
        else:
            yield (param.name,), _kind(param), _choices(param), param.nargs == -1, None


def _names(option: click.Option) -> tuple[str, ...]:
    """As Click takes them."""
    if option.secondary_opts:
        return ("/".join((option.opts[0], option.secondary_opts[0])),)
    return tuple(option.opts)


def _kind(param: click.Parameter) -> str:
    if isinstance(param.type, Word):
        return param.type.kind
    if isinstance(param.type, click.Path):
        return "dir" if param.type.dir_okay and not param.type.file_okay else "file"
    return "file" if isinstance(param.type, click.File) else ""


def _choices(param: click.Parameter) -> tuple[str, ...]:
    return tuple(map(str, param.type.choices)) if isinstance(param.type, click.Choice) else ()


def _line(help_: str | None) -> str:
    """The first sentence, for a list: ``Print only errors``."""
    said = re.sub(r"\s*\[default: .*\]$", "", help_ or "", flags=re.DOTALL)
    sentence = re.split(r"(?<=[a-z)])[.;:]\s", f"{said} ", maxsplit=1)[0].strip().rstrip(".")
    return " ".join(sentence.split())
