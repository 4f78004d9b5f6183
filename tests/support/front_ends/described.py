"""Whether an answer is one that the API's description has: route, status, media type, code and fields.

All that tests are answered by ``Server.request`` is looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import requests

PROBLEM = "application/problem+json"
_LONGEST = 64 * 1024
"""Longer ones are lists of what shorter ones have."""


@cache
def description() -> dict[str, Any]:
    """As the server would give it out."""
    import msgspec

    from runnerctl.server.app import ROUTES
    from runnerctl.server.description.document import encoded_description

    found: dict[str, Any] = msgspec.json.decode(encoded_description(ROUTES))
    return found


def check(answer: requests.Response) -> None:
    """Fails the test when a route, status, header, code or field is not described."""
    method, path = str(answer.request.method), urlsplit(str(answer.request.url)).path
    operation = _operation(method, path)
    if operation is None:
        assert answer.status_code in {401, 404, 405, 417, 429, 503}, f"{method} {path} is not described"
        return
    where = f"{method} {path}: {answer.status_code}"
    described = operation["responses"].get(str(answer.status_code))
    assert described is not None, f"{where} is not described"
    media = answer.headers.get("Content-Type", "").partition(";")[0]
    if "content" not in described:
        assert answer.content == b"", where
        return
    assert media in described["content"], f"{where} as {media!r} is not described"
    if (
        answer.raw.closed
        and media in {"application/json", PROBLEM}
        and answer.content
        and len(answer.content) <= _LONGEST
    ):
        told = answer.json()
        problems = [
            error.message for error in validator(method, _template(path) or "", answer.status_code, media)(told)
        ]
        assert not problems, f"{where}: {problems}"
        assert media != PROBLEM or told["code"] in codes(described), f"{where}: {told['code']} is not described"


def codes(response: Mapping[str, Any]) -> list[str]:
    """Those of a response's problems."""
    found: list[str] = response["content"][PROBLEM]["schema"]["allOf"][1]["properties"]["code"]["enum"]
    return found


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, item in description()["paths"].items()
        for method, operation in item.items()
    ]


def _operation(method: str, path: str) -> dict[str, Any] | None:
    template = _template(path)
    item = {} if template is None else description()["paths"][template]
    found: dict[str, Any] | None = item.get("get" if method == "HEAD" else method.lower())
    return found


def _template(path: str) -> str | None:
    return next((template for template, form in _forms() if form.fullmatch(path)), None)


@cache
def _forms() -> list[tuple[str, re.Pattern[str]]]:
    return [(path, re.compile(re.sub(r"\{\w+\}", "[^/]+", path))) for path in description()["paths"]]


@cache
def validator(method: str, template: str, status: int, media: str) -> Any:
    """Of that answer; a field that is not described is an error."""
    operation = description()["paths"][template]["get" if method == "HEAD" else method.lower()]
    schema = operation["responses"][str(status)]["content"][media]["schema"]
    if media == PROBLEM:
        schema = schema["allOf"][0]  # the other only says which codes
    if schema.get("$ref", "").endswith("/Description"):  # as OpenAPI has it; see its own test
        return lambda _: iter(())
    whole = {**schema, "components": _closed(description()["components"])}
    return jsonschema.Draft202012Validator(whole).iter_errors


def _closed(part: Any) -> Any:
    """Objects with no other fields than those."""
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    closed = {name: _closed(each) for name, each in part.items()}
    return (
        {"additionalProperties": False, **closed} if part.get("type") == "object" and "properties" in part else closed
    )
