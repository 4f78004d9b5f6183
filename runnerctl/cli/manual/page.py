"""A page of the manual as a value, and its running text taken apart into what is said, typed, and put in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from runnerctl import __version__

DATE = "2026-11-30"
"""Of the pages; it is raised with the version."""
SOURCE = f"runnerctl {__version__}"


_NARROW, _WIDE = 8, 12


class Kind(StrEnum):
    SAID = "said"
    TYPED = "typed"
    """As it stands: a command, an option, a path."""
    PUT_IN = "put in"
    """Stands for what the reader puts in: NAME."""


class Span(NamedTuple):
    kind: Kind
    text: str


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    text: str


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Things and what they are."""

    items: tuple[tuple[str, str], ...]

    @property
    def column(self) -> int:
        """How far in what they are begins: beside all terms if they are short, else below those that are longer."""
        longest = max(len(term.replace("`", "")) for term, _ in self.items)
        return longest + 2 if _NARROW < longest + 2 <= _WIDE else _NARROW


@dataclass(frozen=True, kw_only=True)
class Commands:
    """Lines to type, each of which may be broken where the page is narrow."""

    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Literal:
    """Lines of a file, which keep their form."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Usage:
    """A command with what may follow: each part stays in one piece."""

    command: str
    parts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Heading:
    """Of a part of a section."""

    text: str


@dataclass(frozen=True, kw_only=True)
class References:
    pages: tuple[tuple[str, int], ...]

    @classmethod
    def to(cls, pages: Iterable[tuple[str, int]]) -> References:
        """By section, then by name, each once."""
        return cls(pages=tuple(sorted(set(pages), key=lambda page: (page[1], page[0]))))


Block = Paragraph | Terms | Commands | Literal | Usage | Heading | References


@dataclass(frozen=True, kw_only=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    name: str
    section: int
    about: str
    """One line, without a period."""
    sections: tuple[Section, ...]

    @property
    def file_name(self) -> str:
        return f"{self.name}.{self.section}"


_MARKS = re.compile(
    r"`(?P<quoted>[^`]+)`"
    r"|(?<![\w/-])(?P<option>--?[a-z][a-z-]*)"
    r"|(?<![\w$])(?P<name>[A-Z][A-Z0-9]*_[A-Z0-9_]+)"
    r"|(?<![\w$])(?P<variable>[A-Z]{2,}(?:/[A-Z]+)?|[A-Z],[A-Z]|N)(?![\w-])"
)
_PLAIN = frozenset(
    {
        "API",
        "REST",
        "HTTP",
        "HTTPS",
        "TLS",
        "PEM",
        "JSON",
        "YAML",
        "ID",
        "SHA",
        "URL",
        "OIDC",
        "GHES",
        "PORT",
        "ADDRESS",
    }
    | {"HOST", "SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"}
)
"""Capitals that stand for themselves."""


def spans(text: str) -> list[Span]:
    """`Quoted` words, --options and NAMES_OF_VARIABLES are typed, other words in CAPITALS are put in."""
    found, end = [], 0
    for mark in _MARKS.finditer(text):
        typed = mark["quoted"] or mark["option"] or mark["name"]
        if mark["variable"] in _PLAIN:
            continue
        found += [Span(Kind.SAID, text[end : mark.start()])]
        found += [Span(Kind.TYPED, typed) if typed else Span(Kind.PUT_IN, mark["variable"])]
        end = mark.end()
    return [span for span in (*found, Span(Kind.SAID, text[end:])) if span.text]


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?])\s+(?=[A-Z0-9`'\-/])", " ".join(text.split()))
