"""What the real runner would never send: each of its requests with one field dropped, mistyped or added."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tests.support.sandboxes.records import FRAME, Call
from tests.support.sandboxes.replayer import Sent

DROPPED, MISTYPED, ADDED = "dropped", "mistyped", "added"
TOKENS = "/sandbox/oauth/token"
OPTIONAL = frozenset(
    {"telemetry", "action_name", "ref", "type", "startLine", "endLine", "stepNumber"}
)  # fmt: skip
"""Fields that its contracts leave out when there is nothing to say (``EmitDefaultValue = false`` and such a value)."""
_QUERY_MISTYPED = {"status": "Sleeping", "os": "Plan9", "architecture": "Z80", "disableUpdate": "perhaps", "name": ""}
_WRONG_HEADERS = {"content-type": "text/xml", "x-ms-blob-type": "PageBlob", "x-ms-blob-sealed": "Perhaps"}


@dataclass(frozen=True, kw_only=True)
class Mutant:
    part: str
    """``body``, ``query``, ``header`` or ``assertion``."""
    path: tuple[str | int, ...]
    how: str

    @property
    def field(self) -> str:
        """Its path, the same for all items of a list."""
        return ".".join("[]" if isinstance(step, int) else step for step in self.path)

    def key(self, call: Call) -> str:
        return f"{call.what} {self.part} {self.field} {self.how}"

    def apply(self, sent: Sent, *, key: RSAPrivateKey) -> Sent:
        match self.part:
            case "body":
                return replace(sent, body=_changed(sent.body, self.path, self.how))
            case "query":
                return replace(sent, query=_changed_query(sent.query, str(self.path[0]), self.how))
            case "header":
                return replace(sent, headers=_changed_headers(sent.headers, str(self.path[0]), self.how))
            case _:
                assertion = _changed_assertion(sent.body["client_assertion"], self.path, self.how, key)
                return replace(sent, body={**sent.body, "client_assertion": assertion})


def mutants(call: Call) -> Iterator[Mutant]:
    yield from _of_headers(call)
    if call.method != FRAME:
        yield from _of_query(call)
    if call.path == TOKENS:
        yield from _of_token_form(call)
    elif isinstance(call.body, dict):
        for path, how in _of_fields(call.body, ()):
            yield Mutant(part="body", path=path, how=how)


def _of_headers(call: Call) -> Iterator[Mutant]:
    names = [*call.headers, *(["Authorization"] if call.scheme else [])]
    for name in names:
        yield Mutant(part="header", path=(name,), how=DROPPED)
        yield Mutant(part="header", path=(name,), how=MISTYPED)
    if call.method == "PUT" and "content-type" not in names and "x-ms-blob-type" in names:
        yield Mutant(part="header", path=("content-type",), how=ADDED)


def _of_query(call: Call) -> Iterator[Mutant]:
    for name in call.query:
        if name != "sig":  # the sandbox's own
            yield Mutant(part="query", path=(name,), how=DROPPED)
            yield Mutant(part="query", path=(name,), how=MISTYPED)
    yield Mutant(part="query", path=("surprise",), how=ADDED)


def _of_token_form(call: Call) -> Iterator[Mutant]:
    for name in call.body:
        yield Mutant(part="body", path=(name,), how=DROPPED)
        yield Mutant(part="body", path=(name,), how=MISTYPED)
    yield Mutant(part="body", path=("surprise",), how=ADDED)
    for path, how in _of_fields(call.body["client_assertion"], ()):
        if len(path) == 2:
            yield Mutant(part="assertion", path=path, how=how)
    yield Mutant(part="assertion", path=("claims", "iat"), how=ADDED)


def _of_fields(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name not in OPTIONAL:
                yield (*path, name), DROPPED
            yield (*path, name), MISTYPED
            yield from _of_fields(each, (*path, name))
        if path[-1:] != ("outputs",):  # whatever names a workflow gives them
            yield (*path, "surprise"), ADDED
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _of_fields(each, (*path, number))


def _changed(body: Any, path: tuple[str | int, ...], how: str) -> Any:
    body = copy.deepcopy(body)
    place = body
    for step in path[:-1]:
        place = place[step]
    if how == DROPPED:
        del place[path[-1]]
    else:
        place[path[-1]] = _mistyped(place.get(path[-1]), path) if how == MISTYPED else "surprise"
    return body


def _mistyped(value: Any, path: tuple[str | int, ...]) -> Any:
    if path[0] in {"grant_type", "client_assertion_type", "client_assertion"}:
        return "something"  # a form knows text only
    others: dict[type, Any] = {str: 7, bool: "true", int: "7", list: {}, dict: [], type(None): {}}
    return others[type(value)]


def _changed_query(query: Any, name: str, how: str) -> dict[str, str]:
    changed = dict(query)
    if how == DROPPED:
        del changed[name]
    else:
        changed[name] = _QUERY_MISTYPED.get(name, "" if how == MISTYPED else "surprise")
    return changed


def _changed_headers(headers: Any, name: str, how: str) -> dict[str, str]:
    changed = dict(headers)
    if how == DROPPED:
        del changed[name]
    elif name == "Authorization":
        scheme, _, value = changed[name].partition(" ")
        changed[name] = f"{'Basic' if scheme != 'Basic' else 'Bearer'} {value}"
    else:
        changed[name] = _WRONG_HEADERS[name]
    return changed


def _changed_assertion(assertion: str, path: tuple[str | int, ...], how: str, key: RSAPrivateKey) -> str:
    parts = jwt.PyJWT().decode_complete(assertion, options={"verify_signature": False})
    header, claims = parts["header"], parts["payload"]
    if path == ("header", "alg"):
        # Neither dropped nor mistyped can be signed: another one takes its place.
        header["alg"] = "RS256" if header["alg"] == "PS256" else "PS256"
    elif path[0] == "header":
        header = _changed({"header": header}, path, how)["header"]
        header = {"typ": None, **header} if how == DROPPED else header
    else:
        claims = _changed({"claims": claims}, path, how)["claims"]
    return jwt.api_jws.encode(json.dumps(claims).encode(), key, header["alg"], headers=header)
