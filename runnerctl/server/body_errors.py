"""What is wrong with a request's body, in the words of JSON: the field, and what it must be."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from runnerctl.core.domain.errors import FieldError, InvalidRequest
from runnerctl.core.domain.phrases import quoted

_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_EXPECTED = re.compile(r"Expected `([^`]*)`")
_ENUM = re.compile(r"Invalid enum value")
_PATH = re.compile(r" - at `\$\.?([^`]*)`")

_TYPES = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "object": "an object",
    "str": "a string",
}


def refusal(exc: msgspec.ValidationError, kind: type[msgspec.Struct]) -> InvalidRequest:
    """The error for whoever sent it."""
    field, message = _said(str(exc), kind)
    return InvalidRequest(message, errors=[FieldError(field, message)] if field else [])


def _said(text: str, kind: type[msgspec.Struct]) -> tuple[str, str]:
    if unknown := _UNKNOWN.search(text):
        return unknown[1], f"Unknown field {quoted(unknown[1])}{_suggestion(unknown[1], kind)}"
    if missing := _MISSING.search(text):
        return missing[1], f"Field {missing[1]!r} is missing"
    path = _PATH.search(text)
    field = path[1] if path else ""
    name = repr(field) if field else "The body"
    if expected := _EXPECTED.search(text):
        return field, f"{name} must be {_wanted(expected[1])}"
    if _ENUM.search(text):
        return field, f"{name} must be {_either(_choices(field, kind))}"
    return field, f"{name}: {_PATH.sub('', text)}"


def _suggestion(field: str, kind: type[msgspec.Struct]) -> str:
    close = get_close_matches(field, kind.__struct_fields__, n=1)
    # What must be there first.
    known = sorted(msgspec.structs.fields(kind), key=lambda each: not each.required)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(each.name for each in known)}"


def _wanted(expected: str) -> str:
    """``null`` says that a field may be left out, which nobody asks about who gave it."""
    types = [each.strip() for each in expected.split("|")]
    return _either([_TYPES.get(each, each) for each in types if each != "null"])


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _choices(field: str, kind: type[msgspec.Struct]) -> list[str]:
    hint: Any = get_type_hints(kind).get(field)
    return [repr(each) for each in get_args(hint)] if get_origin(hint) is Literal else ["one of its values"]
