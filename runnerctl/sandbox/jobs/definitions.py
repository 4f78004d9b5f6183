"""An action's ``action.yml`` as JSON text, which is YAML too: the stand-in, standard library only, reads no other."""

from __future__ import annotations

import json
import re

import yaml

NAMES = frozenset({"action.yml", "action.yaml"})


class _CoreSchema(yaml.SafeLoader):
    """As actions/runner reads it: ``yes`` and ``on`` are words, a date is a text (https://yaml.org/spec/1.2.2/#103)."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - declared so by the class it is of


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)\.[0-9]*)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
):
    _CoreSchema.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})$"), list(_first))


def as_json(text: bytes) -> bytes:
    """The same definition; what is no YAML stays as it is, for the runner to complain of."""
    try:
        definition = yaml.load(text, Loader=_CoreSchema)  # noqa: S506 - a safe loader with fewer types
        return json.dumps(definition, ensure_ascii=False, indent=2).encode()
    except (yaml.YAMLError, TypeError, ValueError):
        return text
