"""A runner's request, taken apart: each part has the shape that the records of the real runner show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from ..web_keys import GITHUB
from .schemas import Shape
from .strict import Malformed

T = TypeVar("T")
JSON = "application/json"
_SCHEMES = ("Basic", "Bearer", "RemoteAuth")


async def body_of(request: web.Request, shape: type[T]) -> T:
    """The JSON body as that shape. Raises Malformed."""
    if request.app[GITHUB].strict:
        check_json_type(request.headers)
    try:
        raw = msgspec.json.decode(await request.read())
    except msgspec.DecodeError as exc:
        raise Malformed(f"The body is not JSON: {exc}") from exc
    return shaped(raw, shape, strict=request.app[GITHUB].strict)


def query_of(request: web.Request, shape: type[T]) -> T:
    """The query as that shape; each parameter once. Raises Malformed."""
    strict = request.app[GITHUB].strict
    if strict and len(request.query) != len(set(request.query)):
        raise Malformed("A query parameter is given twice")
    return shaped(dict(request.query), shape, strict=strict, text=True)


def no_query(request: web.Request) -> None:
    """Raises Malformed in strict mode if there is one."""
    if request.app[GITHUB].strict and request.query_string:
        raise Malformed(f"Unknown query {request.query_string!r}")


def shaped(raw: Any, shape: type[T], *, strict: bool, text: bool = False) -> T:
    """``raw`` as that shape; unknown fields are refused in strict mode only. ``text``: numbers come as text."""
    try:
        value = msgspec.convert(raw, shape, strict=not text)
    except msgspec.ValidationError as exc:
        raise Malformed(str(exc)) from exc
    if strict:
        _refuse_unknown(raw, msgspec.to_builtins(value), at="$")
        _refuse_odd(value)
    return value


def check_json_type(headers: Mapping[str, str]) -> None:
    """Raises Malformed unless it is what .NET's JsonMediaTypeFormatter writes."""
    kind = headers.get("Content-Type", "")
    if kind.replace(" ", "").lower() != f"{JSON};charset=utf-8":
        raise Malformed(f"Content-Type is {kind!r}, not '{JSON}; charset=utf-8'")


def credentials_of(request: web.Request, scheme: str) -> str:
    """What follows the scheme in ``Authorization``. Raises Malformed for another scheme or none."""
    given, _, value = request.headers.get("Authorization", "").partition(" ")
    if given != scheme or not value:
        # What stands in the place of a scheme may be a token: only a scheme is told.
        told = repr(given) if given in _SCHEMES else "missing or unknown"
        raise Malformed(f"Authorization is {told}, not {scheme!r}", status=401)
    return value


def _refuse_odd(value: Any) -> None:
    if isinstance(value, Shape):
        if oddity := value.oddity():
            raise Malformed(oddity)
        for name in value.__struct_fields__:
            _refuse_odd(getattr(value, name))
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            _refuse_odd(each)


def _refuse_unknown(raw: Any, known: Any, *, at: str) -> None:
    if isinstance(raw, dict) and isinstance(known, dict):
        for name, value in raw.items():
            if name not in known:
                raise Malformed(f"Unknown field {at}.{name}")
            _refuse_unknown(value, known[name], at=f"{at}.{name}")
    elif isinstance(raw, list) and isinstance(known, list):
        for number, (value, its) in enumerate(zip(raw, known, strict=True)):
            _refuse_unknown(value, its, at=f"{at}[{number}]")
