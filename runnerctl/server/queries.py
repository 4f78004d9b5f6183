"""A request's query, read as its route's type says; everything else is refused naming the parameter.

A typo must not be ignored, and neither must the second of two words for one thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import inspect

from runnerctl.core.domain.names import invalid
from runnerctl.core.domain.phrases import quoted

YES, NO = ("", "true", "1", "yes"), ("false", "0", "no")
"""In capitals, too; the mere name of a parameter means yes."""
_LONGEST_NUMBER = 9

Q = TypeVar("Q", bound=msgspec.Struct)


class NoQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Of a route that takes none."""


def read(request: web.Request, kind: type[Q], *, others: bool = False) -> Q:
    """``others``: parameters that are not known are passed over. Raises ``InvalidRequest``."""
    if not request.query_string:
        return kind()
    readers = _readers(kind)
    told: dict[str, object] = {}
    for name, text in request.query.items():
        if name not in readers:
            if others:
                continue
            raise invalid(
                name, f"Unknown query parameter {quoted(name)}", hint=f"Known: {', '.join(readers) or 'none'}"
            )
        if name in told:
            raise invalid(name, f"Query parameter {quoted(name)} is given twice", hint="Give it once")
        told[name] = readers[name](text)
    return kind(**told)


@lru_cache
def _readers(kind: type[msgspec.Struct]) -> Mapping[str, Callable[[str], object]]:
    struct = inspect.type_info(kind)
    assert isinstance(struct, inspect.StructType)  # noqa: S101 - what is told of a Struct
    return {field.encode_name: _reader(field.encode_name, plain(field.type)) for field in struct.fields}


def plain(found: inspect.Type) -> inspect.Type:
    """Without what is only told of it, and without the None that says that it may be left out."""
    if isinstance(found, inspect.Metadata):
        return plain(found.type)
    if isinstance(found, inspect.UnionType):
        (found,) = [each for each in found.types if not isinstance(each, inspect.NoneType)]
        return plain(found)
    return found


def _reader(name: str, found: inspect.Type) -> Callable[[str], object]:
    match found:
        case inspect.StrType():
            return str
        case inspect.BoolType():
            return partial(_flag, name)
        case inspect.IntType(ge=int(least), le=int(most)):
            return partial(_number, name, least, most)
        case inspect.LiteralType(values):
            return partial(_choice, name, {str(each): each for each in values})
        case inspect.EnumType(cls):
            return partial(_choice, name, {str(each.value): each for each in cls})
    raise TypeError(f"Query parameter {name!r}: no text is read as {found}")


def _flag(name: str, text: str) -> bool:
    if text.lower() in YES:
        return True
    if text.lower() in NO:
        return False
    raise invalid(name, f"Query parameter {quoted(name)} must be true or false")


def _number(name: str, least: int, most: int, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER and least <= int(text) <= most:
        return int(text)
    raise invalid(name, f"Query parameter {quoted(name)} must be a number from {least} to {most}")


def _choice(name: str, known: Mapping[str, Any], text: str) -> object:
    if text in known:
        return known[text]
    raise invalid(name, f"{name.capitalize()} {quoted(text)} is not known", hint=f"Use one of {', '.join(known)}")
