"""Template tokens of job messages and of ``action.yml``, evaluated.

A string of a job message stays itself: the server has turned every ``${{ }}`` into an expression token. In an
``action.yml`` they are still there.
"""

from __future__ import annotations

import re

from .evaluation import InvalidExpression, evaluate, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_EMBEDDED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
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
    text = str(given or "success()").strip()
    if text.startswith("${{") and text.endswith("}}"):
        text = text[3:-2].strip()
    if re.search(r"\b(always|success|failure|cancelled)\s*\(", text, re.IGNORECASE):
        return text
    return f"success() && ({text})"


def as_token(value: Any) -> Any:
    """A value of an ``action.yml`` as a token, so that steps of both origins are run by the same code."""
    if isinstance(value, dict):
        return {"type": 2, "map": [{"Key": name, "Value": as_token(each)} for name, each in value.items()]}
    if not isinstance(value, str) or "${{" not in value:
        return text_of(value)
    whole = _EMBEDDED.fullmatch(value.strip())
    return {"type": 3, "expr": whole[1] if whole else _as_format(value)}


def _as_format(text: str) -> str:
    arguments = _EMBEDDED.findall(text)
    pieces = [piece.replace("{", "{{").replace("}", "}}").replace("'", "''") for piece in _EMBEDDED.split(text)[::2]]
    pattern = "".join(f"{piece}{{{index}}}" for index, piece in enumerate(pieces[:-1])) + pieces[-1]
    return f"format('{pattern}', {', '.join(arguments)})"


__all__ = ["InvalidExpression", "Scope", "as_token", "condition"]
