"""JSON, from the interpreter's own scanner: importing ``json`` costs more than all the rest of a start."""

from __future__ import annotations

from _json import encode_basestring_ascii, make_scanner

TYPE_CHECKING = False  # importing typing would cost 15 ms
if TYPE_CHECKING:
    from typing import Any


class _Scanning:
    """The attributes that ``json.decoder.JSONDecoder`` would hand to the scanner."""

    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


_scan = make_scanner(_Scanning)  # type: ignore[arg-type]  # it reads these six attributes of whatever it is given


def loads(text: str | bytes) -> Any:
    """The value written in ``text``; ``ValueError`` if it is not JSON."""
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    text = text.strip()
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("Not JSON") from None
    if end != len(text):
        raise ValueError("Text after the JSON value")
    return value


def dumps(value: Any) -> str:
    """JSON text of strings, numbers, booleans, None, lists and dictionaries with string keys."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode_basestring_ascii(key)}:{dumps(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dumps, value)) + "]"
    return str(value)
