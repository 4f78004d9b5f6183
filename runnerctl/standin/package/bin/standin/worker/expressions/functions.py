"""The functions of expressions that depend on their arguments only."""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_PLACE = re.compile(r"\{\{|\}\}|\{(\d+)\}")


def _text(value: Any) -> str:
    from .evaluation import text_of

    return text_of(value)


def _invalid(message: str) -> Exception:
    from .evaluation import InvalidExpression

    return InvalidExpression(message)


def _format(pattern: Any, *arguments: Any) -> str:
    def put(found: re.Match[str]) -> str:
        if not found[1]:
            return found[0][0]
        if int(found[1]) >= len(arguments):
            raise _invalid(f"The following format string references more arguments than were supplied: {pattern}")
        return _text(arguments[int(found[1])])

    return _PLACE.sub(put, _text(pattern))


def _contains(where: Any, what: Any) -> bool:
    if isinstance(where, list):
        return any(_text(each).lower() == _text(what).lower() for each in where)
    return _text(what).lower() in _text(where).lower()


def _join(values: Any, separator: Any = ",") -> str:
    return _text(separator).join(_text(each) for each in values) if isinstance(values, list) else _text(values)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "contains": _contains,
    "endswith": lambda text, end: _text(text).lower().endswith(_text(end).lower()),
    "startswith": lambda text, begin: _text(text).lower().startswith(_text(begin).lower()),
    "format": _format,
    "fromjson": lambda text: json.loads(_text(text)),
    "join": _join,
    "tojson": lambda value: json.dumps(value, indent=2),
}
