"""A page as mdoc source, which man and mandoc both read: https://mandoc.bsd.lv/man/mdoc.7.html."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from typing import Any

from . import page
from .page import Commands, Heading, Kind, Literal, Page, Paragraph, References, Span, Terms, Usage

_FONTS = {Kind.TYPED: "B", Kind.PUT_IN: "I"}
_MACROS = re.compile(r"^([A-Z][a-z0-9]{1,2})$")
_WIDTH = 78
_NO_HYPHEN, _WHOLE = re.compile(r"(?<!\S)(?=\S)"), r"\\%"
"""What is typed is not broken into syllables."""


def source(made: Page) -> str:
    lines = [
        rf".\" Made by `make generate` from the help texts, the settings and the errors of {page.SOURCE}: do not edit.",
        f".Dd {page.DATE}",
        f".Dt {made.name.upper()} {made.section}",
        ".Os",
        ".Sh NAME",
        f".Nm {made.name}",
        f".Nd {_unbroken(_escaped(made.about))}",
    ]
    for section in made.sections:
        lines.append(f".Sh {section.title}")
        previous: object = None
        for block in section.blocks:
            if isinstance(block, Paragraph) and isinstance(previous, Paragraph | Terms | Commands | Literal):
                lines.append(".Pp")
            lines += _WRITERS[type(block)](block)
            previous = block
    return "\n".join(lines) + "\n"


def _paragraph(block: Paragraph) -> list[str]:
    return _text(block.text)


def _terms(block: Terms) -> list[str]:
    lines = [".Bl -tag -width Ds"]
    for term, text in block.items:
        lines += [f".It {' '.join(map(_argument, _inline(page.spans(term)).split()))}", *_text(text)]
    return [*lines, ".El"]


def _commands(block: Commands) -> list[str]:
    lines = []
    for line in block.lines:
        lines += [".Bd -ragged -offset indent", *_wrapped(_inline([Span(Kind.TYPED, line)])), ".Ed"]
    return lines


def _literal(block: Literal) -> list[str]:
    return [".Bd -literal -offset indent", *map(_line, map(_escaped, block.text.splitlines())), ".Ed"]


def _usage(block: Usage) -> list[str]:
    program, _, command = block.command.partition(" ")
    return [f".Nm {program}" + f" Cm {command}" * bool(command), *map(_part, block.parts)]


def _part(part: str) -> str:
    """Such as ``[--labels A,B]``."""
    optional = part.startswith("[")
    words = part.strip("[]").split(" ")
    macros = " ".join(f"Fl {_typed(word[1:])}" if word.startswith("-") else f"Ar {_escaped(word)}" for word in words)
    return f".Op {macros}" if optional else f".{macros}"


def _heading(block: Heading) -> list[str]:
    return [f".Ss {_typed(block.text)}"]


def _references(block: References) -> list[str]:
    last = len(block.pages) - 1
    return [f".Xr {name} {section}{' ,' * (number < last)}" for number, (name, section) in enumerate(block.pages)]


_WRITERS: dict[type, Callable[[Any], list[str]]] = {
    Paragraph: _paragraph,
    Terms: _terms,
    Commands: _commands,
    Literal: _literal,
    Usage: _usage,
    Heading: _heading,
    References: _references,
}


def _text(text: str) -> list[str]:
    """A sentence begins a line, as mandoc wants it."""
    return [line for sentence in page.sentences(text) for line in _wrapped(_inline(page.spans(sentence)))]


def _wrapped(text: str) -> list[str]:
    lines = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [_line(line) for line in lines]


def _line(text: str) -> str:
    return rf"\&{text}" if text.startswith((".", "'")) else text


def _inline(found: list[Span]) -> str:
    return "".join(
        _unbroken(_escaped(span.text))
        if span.kind is Kind.SAID
        else rf"\f{_FONTS[span.kind]}{_NO_HYPHEN.sub(_WHOLE, _typed(span.text))}\fP"
        for span in found
    )


def _argument(word: str) -> str:
    """Of a macro: a word that is a macro's name would be one."""
    return _MACROS.sub(r"\\&\1", word)


def _unbroken(text: str) -> str:
    return text.replace("runnerctl", r"\%runnerctl")


def _typed(text: str) -> str:
    """Hyphens that can be copied as such."""
    return _escaped(text).replace("-", r"\-")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\e").replace("…", "...")
