"""The API's description as a page for people: plain HTML that loads nothing and runs nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from .json_schema import Schema

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d0d7de, #3d444d); --soft: light-dark(#f6f8fa, #151b23);
  --faint: light-dark(#57606a, #9198a1); --link: light-dark(#0550ae, #79c0ff); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1rem; }
a { color: var(--link); }
code, pre { font: 0.9em/1.45 ui-monospace, monospace; }
code { overflow-wrap: anywhere; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: 0.75rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
nav ul { columns: 16rem; padding-left: 1.2rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.5rem 0; padding: 0.5rem 0.75rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
summary b { display: inline-block; min-width: 4.5rem; }
summary span, .faint { color: var(--faint); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-top: 1px solid var(--line); padding: 0.35rem 0.5rem; text-align: left; vertical-align: top; }
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may do with the page: use the style in it."""
_CODE = re.compile(r"`([^`]+)`")


def page(description: Schema) -> str:
    info, schemas = description["info"], description["components"]["schemas"]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>runnerctl API {_text(info['version'])}</title><style>{STYLE}</style></head><body>",
            f"<header><h1>runnerctl API <span class=faint>{_text(info['version'])}</span></h1>",
            *[f"<p>{_prose(each)}</p>" for each in info["description"].strip().split("\n\n")],
            '<p><a href="/api/v1/openapi.json">openapi.json</a> is the same for programs (OpenAPI 3.1).</p></header>',
            "<main>",
            *_sections(description),
            '<section aria-labelledby="schemas"><h2 id="schemas">Documents</h2>',
            *[_schema(name, schema) for name, schema in schemas.items()],
            "</section></main></body></html>",
        ]
    )


def _sections(description: Schema) -> Iterator[str]:
    operations = [
        (method, path, operation) for path, item in description["paths"].items() for method, operation in item.items()
    ]
    yield f'<nav aria-label="Operations"><ul>{"".join(_entry(*each) for each in operations)}</ul></nav>'
    for tag in description["tags"]:
        yield f'<section aria-labelledby="tag-{tag["name"]}"><h2 id="tag-{tag["name"]}">{tag["name"].capitalize()}</h2>'
        yield f"<p>{_prose(tag.get('description', ''))}</p>"
        for method, path, operation in operations:
            if tag["name"] in operation["tags"]:
                yield _operation(method, path, operation)
        yield "</section>"


def _entry(_: str, __: str, operation: Schema) -> str:
    return f'<li><a href="#{operation["operationId"]}">{_text(operation["summary"])}</a></li>'


def _operation(method: str, path: str, operation: Schema) -> str:
    return "\n".join(
        [
            f"<details><summary><b>{method.upper()}</b> <code>{_text(path)}</code>",
            f"<span>{_text(operation['summary'])}</span></summary>",
            # Inside, so that a link to it opens it.
            f'<div id="{operation["operationId"]}">',
            f"<p>{_prose(operation.get('description', ''))} {_needs(operation)}</p>",
            f"<pre>{_text(_curl(method, path, operation))}</pre>",
            _parameters(operation.get("parameters", [])),
            _body(operation.get("requestBody")),
            _responses(operation["responses"]),
            "</div></details>",
        ]
    )


def _needs(operation: Schema) -> str:
    if not operation["security"]:
        return "Needs no token."
    scopes = operation["security"][0]["bearer"]
    return f"Needs a token with the scope <code>{scopes[0]}</code>." if scopes else "Needs a token of any kind."


def _curl(method: str, path: str, operation: Schema) -> str:
    words = ["curl"] if method == "get" else ["curl", "-X", method.upper()]
    words += ['-H "Authorization: Bearer $TOKEN"'] if operation["security"] else []
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    if body is not None:
        words += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(body)}'"]
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["schema"]["examples"][0])
    return " ".join([*words, f"http://127.0.0.1:8080{path}"])


def _parameters(parameters: list[Schema]) -> str:
    rows = [
        [
            f"<code>{_text(each['name'])}</code><br><span class=faint>{each['in']}</span>",
            _kind(each["schema"]),
            _prose(each.get("description", "")),
        ]
        for each in parameters
    ]
    return _table("Parameters", ("Name", "Type", "Meaning"), rows)


def _body(body: Schema | None) -> str:
    if body is None:
        return ""
    kinds = [_kind(content["schema"]) for content in body["content"].values()]
    return f"<p>Body{'' if body['required'] else ' (may be left out)'}: {', '.join(kinds)}</p>"


def _responses(responses: Schema) -> str:
    rows, examples = [], []
    for status, response in responses.items():
        kinds = [
            f"{_kind(content['schema'])} <span class=faint>{_text(media)}</span>"
            for media, content in response.get("content", {}).items()
        ]
        rows.append([f"<code>{status}</code>", "<br>".join(kinds), _prose(response["description"])])
        examples += [
            f"<p>An answer ({status}):</p><pre>{_text(json.dumps(content['example'], indent=2))}</pre>"
            for content in response.get("content", {}).values()
            if "example" in content
        ]
    return _table("Answers", ("Status", "Document", "Meaning"), rows) + "".join(examples)


def _schema(name: str, schema: Schema) -> str:
    required = schema.get("required", [])
    rows = [
        [
            f"<code>{_text(field)}</code>{'' if field in required else '<br><span class=faint>may be absent</span>'}",
            _kind(each),
            _prose(each.get("description", "")),
        ]
        for field, each in schema.get("properties", {}).items()
    ]
    about = f"<p>{_prose(schema.get('description', ''))}</p>"
    inside = _table("Fields", ("Field", "Type", "Meaning"), rows) if rows else f"<p>{_kind(schema)}</p>"
    return f'<details><summary><code>{name}</code></summary><div id="schema-{name}">{about}{inside}</div></details>'


def _kind(schema: Schema) -> str:
    """What a value looks like, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{name}">{name}</a>'
    if several := schema.get("anyOf") or schema.get("allOf", [])[:1]:  # what else is said of a problem: its codes
        return " or ".join(map(_kind, several))
    if "enum" in schema:
        return " ".join(f"<code>{_text(each)}</code>" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_kind(schema['additionalProperties'])}"
    kinds = schema.get("type", "")
    return _text(" or ".join(kinds) if isinstance(kinds, list) else kinds) + _bounds(schema)


def _bounds(schema: Schema) -> str:
    told = [f"{word} {_text(schema[key])}" for key, word in _BOUNDS if key in schema]
    return f"<br><span class=faint>{', '.join(told)}</span>" if told else ""


_BOUNDS = (("format", ""), ("minimum", "from"), ("maximum", "to"), ("maxLength", "at most"), ("default", "default"))


def _table(caption: str, heads: tuple[str, ...], rows: Iterable[list[str]]) -> str:
    lines = ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    if not lines:
        return ""
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<div class="wide"><table><caption class=faint>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _prose(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", _text(text))


def _text(value: Any) -> str:
    return escape(str(value).lower() if isinstance(value, bool) else str(value))
