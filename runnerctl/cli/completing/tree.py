"""The commands as far as completion must know them: built from the table of words, one when it is reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from .words import ALIASES, COMMANDS


class NoSuchCommand(Exception):
    """What was typed is no command: nothing can follow."""


class Values(click.types.StringParamType):
    """Taken as it was typed, as it must not fail; offers the words of a list, or those that ``values`` finds."""

    def __init__(self, kind: str, choices: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.choices = choices

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if self.kind in {"file", "dir"}:
            return [CompletionItem(incomplete, type=self.kind)]
        if self.choices:
            found = [CompletionItem(choice) for choice in self.choices]
        elif self.kind:
            from . import values  # only for what a table cannot know

            found = values.offered(self.kind, ctx, incomplete)
        else:
            return []
        taken = ctx.params.get(param.name or "") if param.nargs == -1 or getattr(param, "multiple", False) else None
        return [each for each in found if _begins(each.value, incomplete) and each.value not in (taken or ())]


class Command(click.Command):
    """Offers its options where nothing else is due."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return _options_left(self, ctx, incomplete)


class Group(click.Group):
    """Its commands are made when they are asked for."""

    def __init__(self, path: str, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.path = path

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if incomplete.startswith("-"):
            return _options_left(self, ctx, incomplete)
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        return [CompletionItem(name, help=COMMANDS[self._below(name)][0]) for name in names]

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        return list(COMMANDS[self.path][2])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - Click's signature
        if cmd_name not in COMMANDS[self.path][2]:
            raise NoSuchCommand(cmd_name)
        return _made(self._below(cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not self.path:
            args = [ALIASES.get(args[0], args[0]), *args[1:]]
        return super().resolve_command(ctx, args)

    def _below(self, name: str) -> str:
        return f"{self.path} {name}".strip()


def root() -> click.Command:
    return _made("")


def short_flags() -> set[str]:
    """The letters of the options that take no value."""
    return {name[1] for name, kind in _options() if kind == "flag" and len(name) == 2}


def valued_options() -> set[str]:
    return {name for name, kind in _options() if kind != "flag"}


def _options() -> Iterator[tuple[str, str]]:
    """Every option of any command with its kind; a name means the same everywhere."""
    for _help, params, _names in COMMANDS.values():
        for names, kind, *_ in params:
            yield from ((name, kind) for name in names if name.startswith("-"))


def _made(path: str) -> click.Command:
    help_, params, names = COMMANDS[path]
    name = path.rpartition(" ")[2] or "runnerctl"
    attributes: dict[str, Any] = {
        "name": name,
        "help": help_,
        "params": [_parameter(*each) for each in params],
        "context_settings": {"help_option_names": ["-h", "--help"]},
    }
    if names:
        return Group(path, invoke_without_command=True, **attributes)
    return Command(**attributes)


def _parameter(
    names: tuple[str, ...], kind: str, choices: tuple[str, ...], many: bool, help_: str | None
) -> click.Parameter:
    if not names[0].startswith("-"):
        return click.Argument(names, type=Values(kind, choices), nargs=-1 if many else 1, required=False)
    if kind == "flag":
        return click.Option(names, is_flag=True, help=help_)
    return click.Option(names, type=Values(kind, choices), multiple=many, help=help_)


def _options_left(command: click.Command, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Those that were not given yet, before COMMAND or after, and those that may be repeated."""
    given = {name for each in _line(ctx) for name in _given(each)}
    options = [param for param in command.get_params(ctx) if isinstance(param, click.Option)]
    return [
        CompletionItem(name, help=option.help)
        for option in options
        if option.multiple or option.name not in given
        for name in (*option.opts, *option.secondary_opts)
        if name.startswith(incomplete)
    ]


def _line(ctx: click.Context) -> list[click.Context]:
    """The contexts of the whole command line."""
    return [ctx] if ctx.parent is None else [ctx, *_line(ctx.parent)]


def _given(ctx: click.Context) -> list[str]:
    return [name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]


def _begins(value: str, incomplete: str) -> bool:
    """GitHub's names and ours do not regard case."""
    return value.lower().startswith(incomplete.lower())
