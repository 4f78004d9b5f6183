"""The API's description: made of the routes, whole, and true of what the server answers.

That answers are as described, ``tests/support/front_ends/described.py`` looks at in all tests of the server.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import pytest
import requests
from openapi_spec_validator import validate

from runnerctl.core.access import issuing
from runnerctl.core.access.grants import TokenLimits
from runnerctl.core.access.policy import Access, Right
from runnerctl.core.domain import errors
from runnerctl.sandbox import Sandbox
from runnerctl.server.app import ROUTES, build_app
from runnerctl.server.routing import Route
from tests.support.front_ends import described
from tests.support.hosts.host import Host, Server

OPERATIONS = described.operations()
NAMES = [f"{method} {path}" for method, path, _ in OPERATIONS]
each_operation = pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")


@pytest.fixture
def quiet(quiet_server: tuple[Server, Host, Sandbox]) -> Server:
    return quiet_server[0]


def test_anybody_is_given_it_as_it_is_made_of_the_routes(quiet: Server) -> None:
    answer = requests.get(f"{quiet.url}/api/v1/openapi.json", headers={"Authorization": "Bearer wrong"}, timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == described.description()
    head = requests.head(f"{quiet.url}/api/v1/openapi.json", timeout=10)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(answer.content))


def test_it_is_openapi_3_1() -> None:
    validate(described.description())
    assert described.description()["openapi"] == "3.1.0"


def test_every_address_that_the_server_answers_at_is_in_it(services: Any) -> None:
    app = build_app(services, token=None)
    served = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource and route.method != "HEAD"
    }
    assert served == {(method, path) for method, path, _ in OPERATIONS}


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)


@each_operation
def test_an_operation_says_what_it_does_and_how_it_can_end(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert "default" not in operation["responses"]
    assert any(status < "4" for status in operation["responses"])
    for status, response in operation["responses"].items():
        assert response["description"]
        assert status < "4" or response["content"].keys() & {described.PROBLEM, "application/json"}
        assert "X-Request-Id" in response["headers"]


@each_route
def test_an_operation_names_the_scope_that_its_route_needs(route: Route) -> None:
    operation = described.description()["paths"][route.path][route.method.lower()]
    scopes = [scope for each in operation["security"] for scope in each["bearer"]]
    expected = {Access.OPEN: [], Access.ANY_CALLER: [], Access.OPERATOR: ["operator"]}
    assert scopes == (expected[route.needs] if isinstance(route.needs, Access) else [route.needs])
    assert bool(operation["security"]) == (route.needs is not Access.OPEN)
    assert ("401" in operation["responses"]) == (route.needs is not Access.OPEN)


def schemas(part: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All that are written down, with where."""
    if isinstance(part, list):
        for number, each in enumerate(part):
            yield from schemas(each, f"{at}/{number}")
    elif isinstance(part, dict):
        if part.get("type") == "object" or "properties" in part:
            yield at, part
        for name, each in part.items():
            if name not in {"example", "examples", "enum", "const"}:
                yield from schemas(each, f"{at}/{name}")


def test_no_object_is_free_of_form() -> None:
    free = [
        at
        for at, schema in schemas(described.description())
        if not schema.get("properties") and not isinstance(schema.get("additionalProperties"), dict)
    ]
    assert free == []


def test_every_error_of_the_contract_that_a_route_names_is_a_code_of_its_status() -> None:
    for route in ROUTES:
        responses = described.description()["paths"][route.path][route.method.lower()]["responses"]
        for kind in route.errors:
            assert kind.code in described.codes(responses[str(kind.http_status)])


@each_operation
def test_examples_are_what_they_are_examples_of(method: str, path: str, operation: dict[str, Any]) -> None:
    """They are made by the code that makes the documents, so documents are as described."""
    components = described.description()["components"]
    for status, response in operation["responses"].items():
        for media, content in response.get("content", {}).items():
            check = described.validator(method, path, int(status), media)
            found = [content["example"]] if "example" in content else []
            refs = [each["$ref"].rpartition("/")[2] for each in content.get("examples", {}).values()]
            for example in [*found, *(components["examples"][name]["value"] for name in refs)]:
                assert [error.message for error in check(example)] == []
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if "example" in content:
            jsonschema.validate(content["example"], {**content["schema"], "components": components})


@each_operation
def test_what_every_route_refuses_is_described(
    quiet: Server, method: str, path: str, operation: dict[str, Any]
) -> None:
    """``Server.request`` compares the answers with the description."""
    address = path.replace("{name}", "nobody").replace("{id}", "999")
    known = operation["responses"].keys()
    unknown = quiet.request(method, f"{address}?nobody_knows_this=1")
    assert unknown.status_code == 400 or not operation["security"]
    if "requestBody" in operation:
        text = {"headers": {"Content-Type": "text/plain"}, "data": b"no"}
        assert quiet.request(method, address, **text).status_code == 415
        assert quiet.request(method, address, {"nobody_knows_this": 1}).status_code == 400
        assert quiet.request(method, address, {"name": "x" * 70_000}).status_code == 413
    for name in path.count("{name}") * ["%00", ".x", "a" * 65]:
        assert str(quiet.request(method, path.replace("{name}", name)).status_code) in known
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query" and parameter["schema"].get("type") != "string":
            name = parameter["name"]
            assert quiet.request(method, f"{address}?{name}=nothing-known").status_code == 400
            assert quiet.request(method, f"{address}?{name}=1&{name}=1").status_code == 400


def test_a_wrong_token_is_refused_as_described(quiet: Server) -> None:
    """All at once: each is answered later than the one before."""

    def ask(method: str, path: str) -> int:
        address = path.replace("{name}", "nobody").replace("{id}", "1")
        return quiet.request(method, address, headers={"Authorization": "Bearer wrong"}).status_code

    closed = [(method, path) for method, path, operation in OPERATIONS if operation["security"]]
    with ThreadPoolExecutor(len(closed)) as pool:
        assert set(pool.map(ask, *zip(*closed, strict=True))) == {401}


def test_a_token_without_a_scope_is_refused_as_described(quiet_server: tuple[Server, Host, Sandbox]) -> None:
    server, host, _ = quiet_server
    services = host.services()
    _, token = issuing.issue(
        services, "one-scope", rights=[Right.METRICS_READ], limits=TokenLimits(tenant="x", repositories=("x/*",))
    )
    services.close()
    for method, path, operation in OPERATIONS:
        address = path.replace("{name}", "nobody").replace("{id}", "1")
        refused = server.request(method, address, headers={"Authorization": f"Bearer {token}"}).status_code == 403
        needed = {scope for each in operation["security"] for scope in each["bearer"]}
        assert refused == bool(needed - {Right.METRICS_READ}), address


def test_its_page_has_every_operation_and_document_and_loads_and_runs_nothing(quiet: Server) -> None:
    answer = requests.get(f"{quiet.url}/docs?from=elsewhere", timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["X-Frame-Options"] == "DENY"
    style = re.search("<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    told = answer.headers["Content-Security-Policy"].split("; ")
    assert told[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]
    assert not re.search(r"<script|<link|<img|\son\w+=|style=|url\(", answer.text)
    anchors = set(re.findall(r'id="([^"]+)"', answer.text))
    assert {operation["operationId"] for _, _, operation in OPERATIONS} <= anchors
    assert {f"schema-{name}" for name in described.description()["components"]["schemas"]} <= anchors
    assert set(re.findall(r'href="#([^"]+)"', answer.text)) <= anchors


def test_what_a_description_leaves_out_fails_a_test(quiet: Server) -> None:
    answer = quiet.request("GET", "/api/v1/runners")
    answer._content = json.dumps({**answer.json(), "more": 1}).encode()
    with pytest.raises(AssertionError, match="more"):
        described.check(answer)
    answer.status_code = 418
    with pytest.raises(AssertionError, match="418 is not described"):
        described.check(answer)
    refused = quiet.request("GET", "/api/v1/runners/nobody")
    refused._content = json.dumps({**refused.json(), "code": errors.TokenNotFound.code}).encode()
    with pytest.raises(AssertionError, match="token_not_found"):
        described.check(refused)


def test_all_that_is_referred_to_is_there() -> None:
    text = json.dumps(described.description())
    components = described.description()["components"]
    found = set(re.findall(r'"\$ref": "#/components/(\w+)/([\w-]+)"', text))
    assert {f"{kind}/{name}" for kind, name in found if name not in components[kind]} == set()
