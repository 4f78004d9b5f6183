"""Cuts github-schemas.json out of GitHub's OpenAPI description: the answers of the routes that the sandbox serves.

    python tests/data/cut_schemas.py OPENAPI_FILE…

What several files describe is taken from the first of them.
The cut holds schemas and no prose, as JSON Schema 2020-12 (OpenAPI 3.0 says ``nullable`` where that says ``null``).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from runnerctl.sandbox.rest import ROUTES

TARGET = Path(__file__).with_name("github-schemas.json")
PROSE = {"description", "summary", "title", "example", "examples", "externalDocs", "deprecated"}
SCHEMA_PREFIX = "#/components/schemas/"


def main(*sources: Path) -> None:
    descriptions = [json.loads(source.read_text()) for source in sources]
    operations: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for description in reversed(descriptions):
        cut = cut_operations(description)
        names: set[str] = set()
        add_names(description, cut, names)
        schemas = description["components"]["schemas"]
        operations |= cut
        definitions |= {name: plain(schemas[name]) for name in names}
    repair(operations)
    document = {"source": descriptions[0]["info"]["x-source"], "operations": operations, "$defs": definitions}
    TARGET.write_text(json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n")


def cut_operations(description: dict[str, Any]) -> dict[str, Any]:
    operations = {
        f"{route.method} {route.path}": operation
        for route in ROUTES
        if (operation := description["paths"].get(route.path, {}).get(route.method.lower()))
    }
    return {key: cut_operation(description, operation) for key, operation in operations.items()}


def repair(operations: dict[str, Any]) -> None:
    """GitHub's description wants an account to be a user and an enterprise at once; its own example is a user."""
    items = operations["GET /app/installations"]["responses"]["200"]["items"]
    account = items["properties"]["account"]["anyOf"][0]
    account["anyOf"] = account.pop("allOf")


def cut_operation(description: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": operation["operationId"],
        "responses": {
            status: response_schema(description, response) for status, response in operation["responses"].items()
        },
    }


def response_schema(description: dict[str, Any], response: dict[str, Any]) -> Any:
    """The schema of an answer; null when it has no content."""
    if "$ref" in response:
        response = description["components"]["responses"][response["$ref"].rpartition("/")[2]]
    content = response.get("content", {}).get("application/json")
    return plain(content["schema"]) if content else None


def plain(schema: Any) -> Any:
    """A schema without prose and without ``nullable``."""
    if isinstance(schema, list):
        return [plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: plain(value) for key, value in schema.items() if key not in PROSE and not key.startswith("x-")}
    for named in ("properties", "patternProperties"):
        # Below these, keys are names of fields: one may well be called "description".
        if named in schema:
            kept[named] = {name: plain(value) for name, value in schema[named].items()}
    if "$ref" in kept:
        kept["$ref"] = kept["$ref"].replace(SCHEMA_PREFIX, "#/$defs/")
    return {"anyOf": [kept, {"type": "null"}]} if kept.pop("nullable", False) else kept


def add_names(description: dict[str, Any], part: Any, names: set[str]) -> None:
    """The components that this part refers to, and those that they refer to in turn."""
    if isinstance(part, list):
        for item in part:
            add_names(description, item, names)
    if not isinstance(part, dict):
        return
    reference = part.get("$ref")
    if isinstance(reference, str) and (name := reference.rpartition("/")[2]) not in names:
        names.add(name)
        add_names(description, description["components"]["schemas"][name], names)
    for value in part.values():
        add_names(description, value, names)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
