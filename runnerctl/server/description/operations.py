"""What one route takes and how it ends, as an operation of the API's description."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from http import HTTPStatus
from types import NoneType
from typing import Any

import msgspec

from runnerctl.core import Access
from runnerctl.core.domain import errors

from ..answers import PROBLEM_MEDIA, Answer, Problem, may_be_tried_again
from ..bodies import is_optional
from ..queries import NO, YES, NoQuery
from ..routing import Errors, Route
from .examples import example
from .json_schema import Schema, Schemas, prose

_ON_ALL = ("X-Request-Id", "X-Runnerctl-Version")
BEARER = "bearer"
OPERATOR = "operator"
EXAMPLES = "#/components/examples/{name}"
_ALWAYS: Errors = (errors.RunnerctlError, errors.ExpectationFailed)
_OF_CALLERS: Errors = (
    errors.Unauthorized,
    errors.Forbidden,
    errors.TooManyRequests,
    errors.Overloaded,
    errors.IssuerUnavailable,
    errors.ConfigInvalid,
    errors.VersionMismatch,
)
_OF_BODIES: Errors = (errors.InvalidRequest, errors.BodyTooLarge, errors.UnsupportedMediaType)


def operation(route: Route, schemas: Schemas) -> Schema:
    summary, _, rest = prose(route.handler.__doc__ or "").partition("\n")
    described = {"description": rest.strip()} if rest.strip() else {}
    return {
        "operationId": operation_id(route),
        "tags": [tag(route)],
        "summary": summary.removesuffix("."),
        **described,
        "security": _security(route),
        **_parameters(route, schemas),
        **_body(route, schemas),
        "responses": {str(status): response for status, response in sorted(_responses(route, schemas).items())},
    }


def operation_id(route: Route) -> str:
    """By what it does; what has no name of its own, by where it is."""
    words = route.does if route.path.startswith("/api/") else route.path.strip("/") or "root"
    return "".join(each if each.isalnum() else "_" for each in words)


def tag(route: Route) -> str:
    return route.handler.__module__.rpartition(".")[2]


def errors_of(route: Route) -> Errors:
    """All that it can end with."""
    found = [*_ALWAYS, *route.errors]
    if route.needs is not Access.OPEN:
        found += _OF_CALLERS
    if not route.any_query or route.asked.query is not NoQuery:
        found += [errors.InvalidRequest]
    if route.asked.body is not None:
        found += _OF_BODIES
    return tuple(dict.fromkeys(found))


def _security(route: Route) -> list[Schema]:
    """The scope that a token needs; OpenAPI has a place for it."""
    match route.needs:
        case Access.OPEN:
            return []
        case Access.ANY_CALLER:
            return [{BEARER: []}]
        case Access.OPERATOR:
            return [{BEARER: [OPERATOR]}]
        case right:
            return [{BEARER: [str(right)]}]


def _parameters(route: Route, schemas: Schemas) -> Schema:
    found = [
        _parameter(name, "path", msgspec.json.schema(kind), required=True) for name, kind in route.asked.path.items()
    ]
    query = route.asked.query
    if query is not NoQuery:
        described = schemas.struct(query)
        found += [
            _parameter(name, "query", _flag(_without_null(schema)), required=name in described["required"])
            for name, schema in described["properties"].items()
        ]
    found += [_parameter(name, "header", msgspec.json.schema(kind), required=False) for name, kind in route.headers]
    return {"parameters": found} if found else {}


def _parameter(name: str, place: str, schema: Schema, *, required: bool) -> Schema:
    """What is told of it stands beside its schema, where pages look for it."""
    told = {key: schema[key] for key in ("description",) if key in schema}
    kept = {key: value for key, value in schema.items() if key not in told}
    return {"name": name, "in": place, "required": required, **told, "schema": kept}


def _without_null(schema: Schema) -> Schema:
    """It may be left out; there is no null in a query."""
    kinds: list[Schema] = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if not kinds:
        return schema
    (kind,) = kinds
    return {key: value for key, value in schema.items() if key not in {"anyOf", "default"}} | kind


def _flag(schema: Schema) -> Schema:
    """What else a query may say for yes and no."""
    if schema.get("type") != "boolean":
        return schema
    kept = {key: value for key, value in schema.items() if key != "type"}
    others = [word for word in YES + NO if word not in {"true", "false"}]
    return {**kept, "anyOf": [{"type": "boolean"}, {"type": "string", "enum": others}]}


def _body(route: Route, schemas: Schemas) -> Schema:
    body = route.asked.body
    if body is None:
        return {}
    content = {"schema": schemas.of(body), **example(body)}
    return {"requestBody": {"required": not is_optional(body), "content": {"application/json": content}}}


def _responses(route: Route, schemas: Schemas) -> dict[int, Schema]:
    responses: dict[int, Schema] = {}
    for answer in route.answers:
        responses[answer.status] = _both(responses.get(answer.status), _answer(answer, schemas))
    by_status: defaultdict[int, list[type[errors.RunnerctlError]]] = defaultdict(list)
    for kind in errors_of(route):
        by_status[kind.http_status].append(kind)
    for status, kinds in by_status.items():
        responses[status] = _both(responses.get(status), _problem(kinds, schemas))
    return responses


def _both(before: Schema | None, more: Schema) -> Schema:
    """One status has several media types."""
    if before is None:
        return more
    return {
        "description": f"{before['description']} {more['description']}",
        "headers": before["headers"] | more["headers"],
        "content": before["content"] | more["content"],
    }


def _answer(answer: Answer[Any], schemas: Schemas) -> Schema:
    kinds = answer.document if isinstance(answer.document, tuple) else (answer.document,)
    if kinds == (NoneType,):
        return {"description": answer.means, "headers": _headers(answer.headers)}
    found = [schemas.of(kind) for kind in kinds]
    schema = found[0] if len(found) == 1 else {"anyOf": found}
    return {
        "description": answer.means,
        "headers": _headers(answer.headers),
        "content": {answer.media: {"schema": schema, **example(kinds[0])}},
    }


def _problem(kinds: list[type[errors.RunnerctlError]], schemas: Schemas) -> Schema:
    """Those of one status."""
    status, codes = kinds[0].http_status, sorted({kind.code for kind in kinds})
    narrowed = {"type": "object", "properties": {"code": {"type": "string", "enum": codes}}}
    headers = ["Retry-After"] if any(map(may_be_tried_again, kinds)) else []
    headers += ["WWW-Authenticate"] if errors.Unauthorized in kinds else []
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(f'`{code}`' for code in codes)}.",
        "headers": _headers(headers),
        "content": {
            PROBLEM_MEDIA: {
                "schema": {"allOf": [schemas.of(Problem), narrowed]},
                "examples": {kind.code: {"$ref": EXAMPLES.format(name=kind.__name__)} for kind in kinds},
            }
        },
    }


def _headers(names: Iterable[str]) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*_ON_ALL, *names)}
