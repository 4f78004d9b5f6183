"""Fields of a request's body, refused in GitHub's words."""

from __future__ import annotations

from typing import Any, TypeVar

from .routes import Ask, Refusal

T = TypeVar("T")
MAX_LABEL_LENGTH = 256
MAX_LABELS = 100
_TYPE_NAMES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    list: "an array",
    dict: "an object",
    bool: "a boolean",
}


def required(ask: Ask, field: str, kind: type[T]) -> T:
    if ask.body.get(field) is None:
        raise invalid(f'"{field}" wasn\'t supplied.')
    return _typed(field, ask.body[field], kind)


def optional(ask: Ask, field: str, kind: type[T], default: T) -> T:
    value = ask.body.get(field)
    return default if value is None else _typed(field, value, kind)


def label_list(ask: Ask, *, least: int) -> tuple[str, ...]:
    labels = required(ask, "labels", list)
    if len(labels) < least:
        raise invalid(f"No fewer than {least} items are allowed; {len(labels)} were supplied.")
    if len(labels) > MAX_LABELS:
        raise invalid(f"No more than {MAX_LABELS} items are allowed; {len(labels)} were supplied.")
    for number, label in enumerate(labels):
        _typed(f"labels/{number}", label, str)
        if not 0 < len(label.strip()) <= MAX_LABEL_LENGTH:
            raise invalid(f"Labels have 1 to {MAX_LABEL_LENGTH} characters.")
    return tuple(labels)


def invalid(what: str) -> Refusal:
    return Refusal(422, f"Invalid request.\n\n{what}")


def _typed(field: str, value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise invalid(f"For 'properties/{field}', {value!r} is not {_TYPE_NAMES[kind]}.")
    return value
