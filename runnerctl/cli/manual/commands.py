"""The pages of the commands, made of their help texts: docstring, options, epilog, and what a ``Verb`` adds."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any

import click

from ..completing.table import commands as all_commands
from .page import Block, Commands, Heading, Page, Paragraph, References, Section, Terms, Usage

PROGRAM = "runnerctl"
_FILES = {
    "/etc/runnerctl/runnerctl.env": "Settings as variables; see `runnerctl.env(5)`.",
    "/etc/runnerctl/runnerctl.yaml": "Settings as YAML; see `runnerctl.yaml(5)`.",
    "/var/lib/runnerctl/": "STATE_DIR: the database, logs and tokens.",
    "/opt/runnerctl/runners/": "BASE_DIR: the runners' directories.",
}
_EXITS = {0: "done, or nothing to do", 2: "the command line or a setting cannot be used"}
_BROKEN = {130: "interrupted by Ctrl-C"}
_PAGES = (("runnerctl.env", 5), ("runnerctl.yaml", 5), ("runnerctl-exit-status", 7))
_DEFAULT = re.compile(r"\s*\[default: (.*)\]$", re.DOTALL)


def pages(root: click.Command) -> Iterator[Page]:
    """One for the program, one for each command that is not hidden; a group's holds its commands."""
    yield _program(root)
    for path, command in all_commands(root):
        if path and " " not in path:
            yield _page(path, command, [each for each in all_commands(command, path) if each[1] is not command])


def _program(root: click.Command) -> Page:
    names = [(path, command) for path, command in all_commands(root) if path and " " not in path]
    return Page(
        name=PROGRAM,
        section=1,
        about="GitHub Actions runners on demand, on this host",
        sections=(
            Section(title="SYNOPSIS", blocks=(_usage("", root, ("COMMAND", "[ARGUMENT...]")),)),
            Section(title="DESCRIPTION", blocks=tuple(_said(root))),
            Section(
                title="COMMANDS",
                blocks=(Terms(items=tuple((f"`{name}`", f"{_short(command)}.") for name, command in names)),),
            ),
            Section(title="OPTIONS", blocks=(_options(root),)),
            *_ending([root], [(f"{PROGRAM}-{name}", 1) for name, _ in names]),
        ),
    )


def _page(name: str, command: click.Command, inner: Sequence[tuple[str, click.Command]]) -> Page:
    leaves = inner or [(name, command)]
    return Page(
        name=f"{PROGRAM}-{name}",
        section=1,
        about=_lower(_short(command)),
        sections=(
            Section(title="SYNOPSIS", blocks=tuple(_usage(path, leaf) for path, leaf in leaves)),
            Section(title="DESCRIPTION", blocks=tuple(_said(command))),
            *_details(leaves, grouped=bool(inner)),
            *_ending([leaf for _, leaf in leaves], [(PROGRAM, 1)]),
        ),
    )


def _details(leaves: Sequence[tuple[str, click.Command]], *, grouped: bool) -> Iterator[Section]:
    if not grouped:
        yield Section(title="OPTIONS", blocks=(_options(leaves[0][1]),))
        return
    blocks: list[Block] = []
    for path, leaf in leaves:
        blocks += [Heading(text=f"{PROGRAM} {path}"), *_said(leaf)]
        own = _options(leaf, common=False)
        blocks += [own] if own.items else []
    yield Section(title="COMMANDS", blocks=tuple(blocks))
    yield Section(title="OPTIONS OF ALL THESE COMMANDS", blocks=(_options(leaves[0][1], own=False),))


def _ending(leaves: Sequence[click.Command], related: Sequence[tuple[str, int]]) -> Iterator[Section]:
    """Files, exit statuses, examples, and where to read on."""
    files = {**_FILES, **_merged(leaves, "files")}
    exits = {**_EXITS, **_merged(leaves, "exits"), **_BROKEN}
    see = [(f"{PROGRAM}-{name}", 1) for leaf in leaves for name in getattr(leaf, "see", ())]
    yield Section(title="FILES", blocks=(Terms(items=tuple((f"`{path}`", text) for path, text in files.items())),))
    statuses = tuple((str(status), f"{text[0].upper()}{text[1:]}.") for status, text in sorted(exits.items()))
    more = Paragraph(text="`runnerctl-exit-status(7)` lists all of them.")
    yield Section(title="EXIT STATUS", blocks=(Terms(items=statuses), more))
    lines = tuple(line for leaf in leaves for line in examples(leaf))
    yield Section(title="EXAMPLES", blocks=(Commands(lines=lines),))
    yield Section(title="SEE ALSO", blocks=(References.to([*related, *see, *_PAGES]),))


def _merged(leaves: Sequence[click.Command], name: str) -> dict[Any, str]:
    return {key: text for leaf in leaves for key, text in getattr(leaf, name, {}).items()}


def _usage(path: str, command: click.Command, more: tuple[str, ...] = ()) -> Usage:
    options = [_optional(param) for param in command.params if isinstance(param, click.Option)]
    arguments = [_argument(param) for param in command.params if isinstance(param, click.Argument)]
    return Usage(command=f"{PROGRAM} {path}".strip(), parts=(*options, *arguments, *more))


def _optional(option: click.Option) -> str:
    name = max(option.opts, key=len) if len(option.opts[0]) > 2 else option.opts[0]
    value = _value(option)
    part = f"{name} {value}" if value else "|".join((name, *option.secondary_opts))
    return f"[{part}]" + "..." * option.multiple


def _argument(argument: click.Argument) -> str:
    name = (argument.metavar or (argument.name or "").upper()).strip("[]")
    shown = name.removesuffix("...").strip()
    many = "..." if argument.nargs == -1 else ""
    required = argument.required or (argument.nargs == -1 and not (argument.metavar or "[").startswith("["))
    return f"{shown}{many}" if required else f"[{shown}{many}]"


def _value(option: click.Option) -> str:
    """What follows it; empty for a flag."""
    if option.is_flag or option.count:
        return ""
    if option.metavar:
        return option.metavar
    if isinstance(option.type, click.Choice):
        return "|".join(map(str, option.type.choices))
    return option.type.name.upper()


def _options(command: click.Command, *, own: bool = True, common: bool = True) -> Terms:
    options = [param for param in command.get_params(_context(command)) if isinstance(param, click.Option)]
    chosen = [option for option in options if (common if _COMMON & {*option.opts} else own) and not option.hidden]
    return Terms(items=tuple((_names(option), _help(option)) for option in chosen))


_COMMON = frozenset({"--output", "--quiet", "--help"})


def _context(command: click.Command) -> click.Context:
    return click.Context(command, help_option_names=["-h", "--help"])


def _names(option: click.Option) -> str:
    value = _value(option)
    names = [f"`{name}`" for name in (*option.opts, *option.secondary_opts)]
    return ", ".join(names) + (f" {value}" if value else "")


def _help(option: click.Option) -> str:
    text = option.help or ""
    default = _DEFAULT.search(text)
    said = [_DEFAULT.sub("", text).strip()]
    if (
        isinstance(option.type, click.Choice)
        and option.metavar
        and not all(str(choice) in text for choice in option.type.choices)
    ):
        said.append(f"One of {', '.join(f'`{choice}`' for choice in option.type.choices)}.")
    if default:
        said.append(f"The default is {default[1]}.")
    elif option.show_default and option.default is not None:
        said.append(f"The default is `{option.default}`.")
    return " ".join(said)


def _said(command: click.Command) -> Iterator[Paragraph]:
    """The paragraphs of its docstring."""
    for block in inspect.cleandoc(command.help or "").split("\n\n"):
        if not block.startswith("\b"):
            yield Paragraph(text=" ".join(block.split()))


def examples(command: click.Command) -> list[str]:
    """The lines behind ``Examples:`` in docstring and epilog."""
    blocks = f"{inspect.cleandoc(command.help or '')}\n\n{inspect.cleandoc(command.epilog or '')}".split("\n\n")
    lines = [line for block in blocks if block.lstrip().startswith("\b") for line in block.strip().splitlines()[1:]]
    return [" ".join(line.split()) for line in lines if line.strip() and not re.fullmatch(r"Examples?:", line.strip())]


def _short(command: click.Command) -> str:
    return command.get_short_help_str(200).rstrip(".")


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
