"""GitHub's expressions: parsing and values.

https://docs.github.com/en/actions/reference/evaluate-expressions-in-workflows-and-actions
"""

from __future__ import annotations

import re

from .functions import FUNCTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_TOKENS = re.compile(
    r"\s*(?:(?P<number>-?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?))|'(?P<text>(?:[^']|'')*)'"
    r"|(?P<name>[A-Za-z_][\w-]*)|(?P<mark>&&|\|\||==|!=|<=|>=|[!<>()\[\].,*]))"
)
_CONSTANTS = {"true": True, "false": False, "null": None}
_KNOWN = frozenset(
    ("github", "strategy", "matrix", "needs", "secrets", "steps", "inputs", "job", "runner", "env", "vars")
)
"""Null where a job has none (``PipelineTemplateEvaluator.cs``)."""


class InvalidExpression(Exception):
    """It cannot be parsed, or asks for a function that is not known."""


class UnknownName(InvalidExpression):
    """It asks for a context that is not known (``ParseExceptionKind.UnrecognizedNamedValue``)."""


def evaluate(text: str, contexts: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> Any:
    """The value of the expression; ``functions`` are those that depend on the job (``success`` and its kind)."""
    parser = _Parser(text, contexts, {**FUNCTIONS, **functions})
    value = parser.either()
    parser.require_end()
    return value


def truth(value: Any) -> bool:
    return not (value is None or value is False or value == "" or (_is_number(value) and value == 0))


def text_of(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict | list):
        return "Object" if isinstance(value, dict) else "Array"
    return str(value)


class _Parser:
    """Recursive descent; evaluates as it goes, both sides of ``&&`` and ``||`` included: nothing here has effects."""

    def __init__(self, text: str, contexts: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> None:
        self._tokens = list(_tokens(text))
        self._contexts = contexts
        self._functions = functions
        self._text = text

    def _peek(self) -> tuple[str, str]:
        return self._tokens[0] if self._tokens else ("end", "")

    def _take(self, mark: str) -> bool:
        if self._peek() == ("mark", mark):
            self._tokens.pop(0)
            return True
        return False

    def _require(self, mark: str) -> None:
        if not self._take(mark):
            raise InvalidExpression(f"Unexpected symbol: '{self._peek()[1]}'. Located within expression: {self._text}")

    def require_end(self) -> None:
        if self._tokens:
            raise InvalidExpression(f"Unexpected symbol: '{self._peek()[1]}'. Located within expression: {self._text}")

    def either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value if truth(value) else other
        return value

    def _both(self) -> Any:
        value = self._equality()
        while self._take("&&"):
            other = self._equality()
            value = other if truth(value) else value
        return value

    def _equality(self) -> Any:
        value = self._order()
        while self._peek() in (("mark", "=="), ("mark", "!=")):
            wanted = self._tokens.pop(0)[1] == "=="
            value = _equal(value, self._order()) is wanted
        return value

    def _order(self) -> Any:
        value = self._not()
        while self._peek()[1] in ("<", "<=", ">", ">=") and self._peek()[0] == "mark":
            mark, (left, right) = self._tokens.pop(0)[1], _comparable(value, self._not())
            value = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[mark]
        return value

    def _not(self) -> Any:
        return not truth(self._not()) if self._take("!") else self._path(self._first())

    def _first(self) -> Any:
        kind, text = self._peek()
        if self._take("("):
            value = self.either()
            self._require(")")
            return value
        if kind not in ("number", "text", "name"):
            raise InvalidExpression(f"Unexpected symbol: '{text}'. Located within expression: {self._text}")
        self._tokens.pop(0)
        if kind == "text":
            return text.replace("''", "'")
        if kind == "number":
            return float(int(text, 16)) if "x" in text else float(text)
        if self._take("("):
            return self._call(text)
        return _CONSTANTS[text] if text in _CONSTANTS else self._context(text)

    def _context(self, name: str) -> Any:
        if name.lower() not in _KNOWN and name.lower() not in self._contexts:
            raise UnknownName(f"Unrecognized named-value: '{name}'. Located within expression: {self._text}")
        return _member(self._contexts, name)

    def _call(self, name: str) -> Any:
        arguments: list[Any] = []
        while not self._take(")"):
            if arguments:
                self._require(",")
            arguments.append(self.either())
        function = self._functions.get(name.lower())
        if function is None:
            raise InvalidExpression(f"Unrecognized function: '{name}'. Located within expression: {self._text}")
        return function(*arguments)

    def _path(self, value: Any) -> Any:
        while True:
            if self._take("["):
                value = _all(value) if self._take("*") else _member(value, self.either())
                self._require("]")
            elif self._take("."):
                value = _all(value) if self._take("*") else _member(value, self._tokens.pop(0)[1])
            else:
                return value


def _tokens(text: str) -> Any:
    position = 0
    while text[position:].strip():
        found = _TOKENS.match(text, position)
        if found is None:
            raise InvalidExpression(
                f"Unexpected symbol: '{text[position:].strip()}'. Located within expression: {text}"
            )
        position = found.end()
        yield found.lastgroup, found[str(found.lastgroup)]


def _member(value: Any, key: Any) -> Any:
    """Names are compared without regard to case; what is not there is null."""
    if isinstance(value, list) and _is_number(key):
        return value[int(key)] if 0 <= key < len(value) else None
    if not hasattr(value, "items"):
        return None
    wanted = text_of(key)
    if wanted in value:
        return value[wanted]
    return next((each for name, each in value.items() if str(name).lower() == wanted.lower()), None)


def _all(value: Any) -> list[Any]:
    return list(value.values()) if hasattr(value, "values") else value if isinstance(value, list) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> float:
    try:
        return float(value if not isinstance(value, str) else value.strip() or 0) if value is not None else 0.0
    except (TypeError, ValueError):
        return float("nan")


def _comparable(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        return left.lower(), right.lower()
    return _number(left), _number(right)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, dict | list) or isinstance(right, dict | list):
        return left is right
    if left is None and right is None:
        return True
    one, other = _comparable(left, right)
    return bool(one == other)
