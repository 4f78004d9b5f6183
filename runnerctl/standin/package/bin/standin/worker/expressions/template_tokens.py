"""Template tokens of job messages and of ``action.yml``, evaluated.

A string of a job message stays itself: the server has turned every ``${{ }}`` into an expression token. In an
``action.yml`` they are still there.
"""

from __future__ import annotations

import re

from .evaluation import InvalidExpression, evaluate, text_of
from .functions import FUNCTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

# Braces inside of quotes end no expression (``TemplateReader.ParseScalar``).
_EMBEDDED = re.compile(r"\$\{\{((?:'[^']*'|[^'])*?)\}\}")
_LITERAL = re.compile(r"'[^']*'")
_FORMAT_CALL = re.compile(r"format\('((?:[^']|'')*)',(.*)\)", re.DOTALL)
_ARGUMENT = re.compile(r"'[^']*'|[()\[\],]|[^'()\[\],]+")
_SCALARS = {0: "lit", 5: "bool", 6: "num"}


class Scope:
    """What an expression may refer to where it stands."""

    def __init__(self, contexts: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> None:
        self._contexts = contexts
        self._functions = functions

    def expression(self, text: str) -> Any:
        return evaluate(text, self._contexts, self._functions)

    def token(self, token: Any) -> Any:
        """The value of a token of a job message."""
        if isinstance(token, list):
            return [self.token(each) for each in token]
        if not isinstance(token, dict):
            return token
        kind = token.get("type")
        if kind == 1:
            return [self.token(each) for each in token.get("seq") or []]
        if kind == 2:
            return {text_of(self.token(each["Key"])): self.token(each["Value"]) for each in token.get("map") or []}
        if kind == 3:
            return self.expression(str(token["expr"]))
        return token.get(_SCALARS.get(kind or 0, ""))

    def mapping(self, token: Any) -> dict[str, str]:
        """A token that is a map of texts, or nothing."""
        value = self.token(token)
        return {name: text_of(each) for name, each in value.items()} if isinstance(value, dict) else {}

    def text(self, value: Any) -> str:
        """A value of an ``action.yml``, its ``${{ }}`` replaced."""
        if not isinstance(value, str):
            return text_of(value)
        return _EMBEDDED.sub(lambda found: text_of(self.expression(found[1])), value)


def condition(given: Any) -> str:
    """The expression of an ``if``: without a function that looks at the status it means "and all went well"."""
    token = as_token(given or "success()")
    text = str(token["expr"] if isinstance(token, dict) else token).strip()
    if re.search(r"\b(always|success|failure|cancelled)\s*\(", _LITERAL.sub("''", text), re.IGNORECASE):
        return text
    return f"success() && ({text})"


def as_token(value: Any) -> Any:
    """A value of an ``action.yml`` as a token, so that steps of both origins are run by the same code."""
    if isinstance(value, dict):
        return {"type": 2, "map": [{"Key": name, "Value": as_token(each)} for name, each in value.items()]}
    if not isinstance(value, str) or "${{" not in value:
        return text_of(value)
    parts = _EMBEDDED.split(value)
    if len(parts) == 1:
        return value
    whole = len(parts) == 3 and not parts[0] and not parts[2]
    return {"type": 3, "expr": parts[1].strip() if whole else _as_format(parts)}


def _as_format(parts: list[str]) -> str:
    """Every other part is an expression."""
    pieces = [piece.replace("{", "{{").replace("}", "}}").replace("'", "''") for piece in parts[::2]]
    pattern = "".join(f"{piece}{{{index}}}" for index, piece in enumerate(pieces[:-1])) + pieces[-1]
    return f"format('{pattern}', {', '.join(part.strip() for part in parts[1::2])})"


def displayed(token: Any) -> str:
    """A token as it was written, when it cannot be evaluated (``BasicExpressionToken.ToDisplayString``)."""
    if not isinstance(token, dict) or token.get("type") != 3:
        return text_of(token)
    found = _FORMAT_CALL.fullmatch(str(token["expr"]).strip())
    try:
        if found:
            arguments = [f"${{{{ {each} }}}}" for each in _arguments(found[2])]
            return text_of(FUNCTIONS["format"](found[1].replace("''", "'"), *arguments))
    except InvalidExpression:
        pass  # then it is shown as it is
    return f"${{{{ {token['expr']} }}}}"


def _arguments(text: str) -> list[str]:
    """Split at the commas that are in no quotes and in no call."""
    found, depth = [""], 0
    for piece in _ARGUMENT.findall(text):
        depth += (piece in "([") - (piece in ")]")
        if piece == "," and not depth:
            found.append("")
        else:
            found[-1] += piece
    return [each.strip() for each in found]


__all__ = ["InvalidExpression", "Scope", "as_token", "condition", "displayed"]
