"""A page as man(7) source, which every man reads: https://man7.org/linux/man-pages/man7/groff_man.7.html.

Not mdoc(7): groff 1.22 never ends on a page of section 7 that is shown in 40 columns, and heads all with "BSD".
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from typing import Any

from . import page
from .page import Commands, Heading, Kind, Literal, Page, Paragraph, References, Span, Terms, Usage

_FONTS = {Kind.TYPED: "B", Kind.PUT_IN: "I"}
_WIDTH = 78
_INDENT = 4


def source(made: Page) -> str:
    lines = [
        r".\" Made by `make generate` from help texts, settings and errors: do not edit.",
        f'.TH {made.name.upper()} {made.section} {page.DATE} "{page.SOURCE}" "runnerctl manual"',
        ".nh",
        ".ad l",
        ".SH NAME",
        rf"{_typed(made.name)} \- {_escaped(made.about)}",
    ]
    for section in made.sections:
        lines.append(f".SH {section.title}")
        first = True
        for block in section.blocks:
            if isinstance(block, Paragraph) and not first:
                lines.append(".PP")
            lines += _WRITERS[type(block)](block)
            first = isinstance(block, Heading)
    return "\n".join(lines) + "\n"


def _paragraph(block: Paragraph) -> list[str]:
    return _text(block.text)


def _terms(block: Terms) -> list[str]:
    tag = f".TP {block.column}"
    return [line for term, text in block.items for line in (tag, _inline(page.spans(term)), *_text(text))]


def _commands(block: Commands) -> list[str]:
    lines: list[str] = []
    for line in block.lines:
        lines += [".PP"] * bool(lines) + [f".RS {_INDENT}", *_wrapped(_inline([Span(Kind.TYPED, line)])), ".RE"]
    return lines


def _literal(block: Literal) -> list[str]:
    return [f".RS {_INDENT}", ".nf", *map(_line, map(_typed, block.text.splitlines())), ".fi", ".RE"]


def _usage(block: Usage) -> list[str]:
    """Broken between its parts only."""
    # What ends with points would end a sentence.
    parts = [_inline(page.spans(part)).replace(" ", r"\ ").replace("...", r"...\&") for part in block.parts]
    return [f".HP {_INDENT}", rf"\fB{block.command}\fP", *map(_line, parts)]


def _heading(block: Heading) -> list[str]:
    return [f".SS {block.text}"]


def _references(block: References) -> list[str]:
    last = len(block.pages) - 1
    return [
        f".BR {_typed(name)} ({section}){',' * (number < last)}" for number, (name, section) in enumerate(block.pages)
    ]


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
    """What begins with a point would be a macro."""
    return re.sub(r"^(?=[.'])", r"\\&", text)


def _inline(found: list[Span]) -> str:
    return "".join(
        _escaped(span.text) if span.kind is Kind.SAID else rf"\f{_FONTS[span.kind]}{_typed(span.text)}\fP"
        for span in found
    )


def _typed(text: str) -> str:
    """Hyphens that can be copied as such."""
    return _escaped(text).replace("-", r"\-")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\e").replace("…", "...")
