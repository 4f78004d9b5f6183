"""Values as a job message writes them: those of a workflow (template tokens), and those of a context.

Forms: the records of the real runner; numbers of types: ``ObjectTemplating/Tokens/TokenType.cs`` and
``Pipelines/ContextData/PipelineContextDataType.cs`` of actions/runner.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_EXPRESSION, _MAP = 3, 2
_LIST_DATA, _DICTIONARY_DATA = 1, 2
# Braces inside of quotes end no expression (``ObjectTemplating/TemplateReader.cs``).
_IN_BRACES = re.compile(r"\$\{\{\s*((?:'[^']*'|[^'])*?)\s*\}\}")


def token(text: str) -> Any:
    """A text of a workflow. One with ``${{ … }}`` in it becomes the expression that the runner evaluates."""
    parts = _IN_BRACES.split(text)
    if len(parts) == 1:
        return text
    if len(parts) == 3 and not parts[0] and not parts[2]:
        return {"type": _EXPRESSION, "expr": parts[1]}
    return {"type": _EXPRESSION, "expr": _format_call(parts)}


def mapping(texts: Mapping[str, str]) -> dict[str, Any]:
    return {"type": _MAP, "map": [{"Key": key, "Value": token(value)} for key, value in texts.items()]}


def context(value: Any) -> Any:
    """A JSON value as context data: text, numbers, booleans and null stay themselves."""
    match value:
        case Mapping():
            return {"t": _DICTIONARY_DATA, "d": [{"k": str(key), "v": context(each)} for key, each in value.items()]}
        case list() | tuple():
            return {"t": _LIST_DATA, "a": [context(each) for each in value]}
        case _:
            return value


def _format_call(parts: list[str]) -> str:
    """``a ${{ x }} b`` as ``format('a {0} b', x)``; every other part is an expression."""
    literals = [part.replace("'", "''").replace("{", "{{").replace("}", "}}") for part in parts[::2]]
    text = literals[0] + "".join(f"{{{number}}}{literal}" for number, literal in enumerate(literals[1:]))
    return f"format('{text}', {', '.join(parts[1::2])})"
