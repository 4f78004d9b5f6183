"""JSON, from the interpreter's own scanner: importing ``json`` would cost as much as starting the interpreter."""

from __future__ import annotations

from _json import encode_basestring_ascii, make_scanner


class _Scanning:
    """The attributes that ``json.decoder.JSONDecoder`` would hand to the scanner."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


_scan = make_scanner(_Scanning)  # type: ignore[arg-type]  # it reads these six attributes of whatever it is given


def loads(text: str) -> object:
    """The value written in ``text``; ``ValueError`` if it is not JSON."""
    text = text.strip()
    try:
        value, end = _scan(text, 0)
    except (StopIteration, SystemError):
        # It cannot name the place: the exception for that is in the module that is not imported.
        raise ValueError("Not JSON") from None
    if end != len(text):
        raise ValueError("Text after the JSON value")
    return value


def dumps(value: object) -> str:
    """JSON text of strings, numbers, booleans, None, lists and dictionaries with string keys."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode_basestring_ascii(key)}:{dumps(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dumps, value)) + "]"
    return repr(value)
