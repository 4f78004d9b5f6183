"""An action's ``action.yml`` as JSON text, which is YAML too: the stand-in, standard library only, reads no other."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

NAMES = frozenset({"action.yml", "action.yaml"})


class _CoreSchema(yaml.SafeLoader):
    """As actions/runner reads it: ``yes`` and ``on`` are words, a date is a text (https://yaml.org/spec/1.2.2/#103)."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - declared so by the class it is of

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Raises ValueError where a key is given twice."""
        keys = [str(key.value).lower() for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise ValueError("A key is given twice")
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)\.[0-9]*)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
):
    _CoreSchema.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})$"), list(_first))


def as_json(text: bytes) -> bytes:
    """The same definition. It stays as it is, for the runner to complain of, if it is no YAML or none that the runner
    takes: with an anchor, or with a key given twice, in whatever case (``YamlObjectReader.cs``, ``TemplateReader.cs``).
    """
    try:
        if any(getattr(event, "anchor", None) for event in yaml.parse(text, Loader=_CoreSchema)):
            return text
        definition = yaml.load(text, Loader=_CoreSchema)  # noqa: S506 - a safe loader with fewer types
        return json.dumps(definition, ensure_ascii=False, indent=2).encode()
    except (yaml.YAMLError, TypeError, ValueError):
        return text
