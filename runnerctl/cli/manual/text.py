"""A page as plain text of a given width, bold and underlined where that can be shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from . import page
from .page import Commands, Heading, Kind, Literal, Page, Paragraph, References, Terms, Usage

_INDENT = 7
_DEEPER = 4
_MOST = 100
"""Longer lines are hard to read."""
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def shown(made: Page, *, width: int, styled: bool) -> str:
    """The whole page."""
    width = max(30, min(width, _MOST))
    heading = f"{made.name.upper()}({made.section})"
    lines = [heading + heading.rjust(width - len(heading)) if 2 * len(heading) < width else heading, ""]
    lines += [*_title("NAME"), *_filled(f"{made.name} - {made.about}", width), ""]
    for section in made.sections:
        lines += _title(section.title)
        for block in section.blocks:
            lines += [*_WRITERS[type(block)](block, width), ""]
    text = "\n".join(lines).rstrip("\n") + "\n"
    return text if styled else _ESCAPE.sub("", text)


def _title(text: str) -> list[str]:
    return [click.style(text, bold=True)]


def _paragraph(block: Paragraph, width: int) -> list[str]:
    return _filled(_marked(block.text), width)


def _terms(block: Terms, width: int) -> list[str]:
    lines = []
    for term, text in block.items:
        marked = _marked(term)
        body = _filled(_marked(text), width, indent=_INDENT + block.column)
        seen = len(_ESCAPE.sub("", marked))
        if seen < block.column - 1:
            lines += [f"{' ' * _INDENT}{marked}{body[0][_INDENT + seen :]}", *body[1:]]
        else:
            lines += [*_filled(marked, width), *body]
    return lines


def _commands(block: Commands, width: int) -> list[str]:
    return [
        line
        for each in block.lines
        for line in _filled(click.style(each, bold=True), width, indent=_INDENT + _DEEPER, hanging=2)
    ]


def _literal(block: Literal, _width: int) -> list[str]:
    return [f"{' ' * (_INDENT + _DEEPER)}{line}".rstrip() for line in block.text.splitlines()]


def _usage(block: Usage, width: int) -> list[str]:
    """Broken between the parts only, and in the command where that alone is too long."""
    parts = [_marked(part).replace(" ", "\0") for part in block.parts]
    command = click.style(block.command, bold=True)
    if len(block.command) <= width - _INDENT:
        command = command.replace(" ", "\0")
    return [line.replace("\0", " ") for line in _filled(" ".join([command, *parts]), width, hanging=_DEEPER)]


def _heading(block: Heading, _width: int) -> list[str]:
    return [f"{' ' * (_INDENT - 3)}{click.style(block.text, bold=True)}"]


def _references(block: References, width: int) -> list[str]:
    return _filled(", ".join(f"{name}({section})" for name, section in block.pages), width)


_WRITERS: dict[type, Callable[[Any, int], list[str]]] = {
    Paragraph: _paragraph,
    Terms: _terms,
    Commands: _commands,
    Literal: _literal,
    Usage: _usage,
    Heading: _heading,
    References: _references,
}


def _marked(text: str) -> str:
    styles = {Kind.SAID: {}, Kind.TYPED: {"bold": True}, Kind.PUT_IN: {"underline": True}}
    return "".join(click.style(span.text, **styles[span.kind]) for span in page.spans(text))


def _filled(text: str, width: int, *, indent: int = _INDENT, hanging: int = 0) -> list[str]:
    """Wrapped by what is seen: styles take no room."""
    lines: list[str] = []
    line, room = "", width - indent
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and len(_ESCAPE.sub("", longer)) > room - (hanging if lines else 0):
            lines.append(line)
            line = word
        else:
            line = longer
    lines.append(line)
    return [f"{' ' * (indent + (hanging if number else 0))}{each}" for number, each in enumerate(lines)]
