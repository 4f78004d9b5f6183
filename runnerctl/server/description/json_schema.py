"""Types as JSON Schema: the core's documents, which are plain ``TypedDict``s, and msgspec's Structs.

msgspec would do for both, but its marks (``msgspec.Meta``) are not for the core: commands that show a status would
have to import it.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    TypedDict,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import msgspec

from runnerctl.core.domain.shape import Shape

Schema = dict[str, Any]
REFERENCE = "#/components/schemas/{name}"
_PLAIN = {bool: "boolean", float: "number", int: "integer", str: "string", NoneType: "null"}


class Schemas:
    """Collects what is told once and referred to by name."""

    def __init__(self) -> None:
        self.named: dict[str, Schema] = {}
        self._kinds: dict[str, Any] = {}

    def of(self, kind: Any) -> Schema:
        if kind in _PLAIN:
            return {"type": _PLAIN[kind]}
        origin = get_origin(kind)
        return self._named(kind) if origin is None else self._made_of(origin, get_args(kind))

    def _made_of(self, origin: Any, arguments: tuple[Any, ...]) -> Schema:
        if origin in {Annotated, Required, NotRequired}:
            return self.of(arguments[0]) | _shape(arguments[1:])
        if origin is Literal:
            return _words(arguments)
        if origin in {Union, UnionType}:
            return self._union(arguments)
        if origin in {list, tuple}:
            return {"type": "array", "items": self.of(arguments[0])}
        assert issubclass(origin, Mapping)  # noqa: S101 - no document has anything else
        return {"type": "object", "additionalProperties": self.of(arguments[1])}

    def _union(self, kinds: tuple[Any, ...]) -> Schema:
        """Words of several kinds are words of one."""
        words = [_words_of(kind) for kind in kinds]
        several = [each for each in words if each]
        if len(several) > 1:
            rest = [kind for kind, found in zip(kinds, words, strict=True) if not found]
            return self._any([_words(tuple(word for each in several for word in each)), *map(self.of, rest)])
        return self._any([self.of(kind) for kind in kinds])

    def _any(self, schemas: list[Schema]) -> Schema:
        """``type: [string, null]`` is read by more than ``anyOf``."""
        if len(schemas) == 1:
            return schemas[0]
        if all(each.keys() <= {"type", "format"} for each in schemas):
            return {"type": [each["type"] for each in schemas], **_formats(schemas)}
        return {"anyOf": schemas}

    def _named(self, kind: Any) -> Schema:
        name = kind.__name__
        if self._kinds.setdefault(name, kind) is not kind:
            raise TypeError(f"Two kinds of document are called {name}")
        if name not in self.named:
            self.named[name] = {}  # it may refer to itself
            self.named[name] = self._whole(kind)
        return {"$ref": REFERENCE.format(name=name)}

    def _whole(self, kind: Any) -> Schema:
        if is_typeddict(kind):
            return self._document(kind)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return {**_words(tuple(each.value for each in kind)), **_described(kind)}
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.struct(kind)
        raise TypeError(f"No schema is known for {kind}")

    def _document(self, kind: Any) -> Schema:
        hints, told = get_type_hints(kind, include_extras=True), told_of(kind)
        return {
            "type": "object",
            **_described(kind),
            "properties": {name: self.of(hint) | told.get(name, {}) for name, hint in hints.items()},
            # Written as text, annotations keep this from ``__required_keys__``.
            "required": [
                name
                for name, hint in hints.items()
                if name in kind.__required_keys__ and get_origin(hint) is not NotRequired
            ],
        }

    def struct(self, kind: type[msgspec.Struct]) -> Schema:
        """As it is, not by its name."""
        _, components = msgspec.json.schema_components([kind], ref_template=REFERENCE)
        whole: Schema = dict(components.pop(kind.__name__))
        self.named |= components
        told = told_of(kind)
        whole["properties"] = {name: told.get(name, {}) | schema for name, schema in whole["properties"].items()}
        del whole["title"]
        return whole | (kind.SCHEMA if hasattr(kind, "SCHEMA") else {})  # how its fields go together


def _formats(schemas: list[Schema]) -> Schema:
    """Only texts have one, and of those there is one kind at most."""
    return {key: value for each in schemas for key, value in each.items() if key == "format"}


def _words_of(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(each.value for each in kind)
    return ()


def _words(words: tuple[Any, ...]) -> Schema:
    """Each once."""
    return {"type": "string", "enum": list(dict.fromkeys(words))}


def _shape(marks: tuple[Any, ...]) -> Schema:
    return {key: value for mark in marks if isinstance(mark, Shape) for key, value in mark._asdict().items()}


def _described(kind: Any) -> Schema:
    text = kind.__doc__ and prose(kind.__doc__)
    return {"description": text} if text else {}


def prose(text: str) -> str:
    """A docstring as Markdown."""
    return inspect.cleandoc(text).replace("``", "`")


@lru_cache
def told_of(kind: Any) -> Mapping[str, Schema]:
    """What stands below the fields of a class and of those that it is made of, by field."""
    try:
        (defined,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}  # made by a call, or its source was not installed
    if not isinstance(defined, ast.ClassDef):
        return {}
    # By name: a ``TypedDict`` of Python 3.11 forgets its bases.
    around = vars(sys.modules[kind.__module__])
    bases = [around[base.id] for base in defined.bases if isinstance(base, ast.Name) and base.id in around]
    inherited = [told_of(base) for base in bases if base is not TypedDict]
    return {name: told for each in inherited for name, told in each.items()} | _told_in(defined)


def _told_in(defined: ast.ClassDef) -> dict[str, Schema]:
    return {
        field.target.id: {"description": prose(text.value.value)}
        for field, text in zip(defined.body, defined.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
