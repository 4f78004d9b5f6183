"""What may stand in an ``action.yml`` (``action_yaml.json``), and must (``ActionManifestManager.ConvertRuns``).

The real runner names the line and column as well, which JSON text does not tell its reader.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_RUNS = (
    "using image entrypoint args env pre-entrypoint pre-if post-entrypoint post-if",
    "using main pre pre-if post post-if",
    "plugin",
    "using steps",
)
_STEPS = (
    "name id if run env continue-on-error working-directory shell",
    "name id if uses continue-on-error with env",
)
_NEEDED = {_STEPS[0]: ("run", "shell"), _STEPS[1]: ("uses",)}


class Invalid(Exception):
    """The real runner does not load such a file."""


def parsed(text: str) -> Any:
    """The value of JSON text. Raises ValueError, and Invalid where a key is given twice."""
    return json.loads(text, object_pairs_hook=_mapping)


def check(content: Any) -> None:
    """Raises Invalid."""
    if faults := list(_faults(content)):
        raise Invalid(" ".join(faults))


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: set[str] = set()
    for key, _ in pairs:
        if key.lower() in seen:
            raise Invalid(f"'{key}' is already defined")
        seen.add(key.lower())
    return dict(pairs)


def _faults(content: Any) -> Iterator[str]:
    if not isinstance(content, dict):
        yield "Unexpected type: a mapping is expected."
        return
    for kind in ("inputs", "outputs"):
        for name, each in (content.get(kind) or {}).items():
            if not isinstance(each, dict):
                yield f"Unexpected value '{each or ''}' of {kind} '{name}'."
            elif kind == "outputs":
                yield from _unfit(each, ("description value",))
    runs = content.get("runs")
    if not isinstance(runs, dict):
        yield "Top level 'runs:' section is required."
        return
    yield from _unfit(runs, _RUNS)
    yield from _unfit_steps(runs.get("steps"))
    yield from _missing(runs)


def _unfit_steps(steps: Any) -> Iterator[str]:
    if steps is not None and not isinstance(steps, list):
        yield f"Unexpected value '{steps}' of steps."
        return
    for step in steps or []:
        yield from _unfit(step, _STEPS) if isinstance(step, dict) else (f"Unexpected value '{step}'.",)


def _unfit(content: dict[str, Any], kinds: tuple[str, ...]) -> Iterator[str]:
    """Each key says which kinds it may still be (``TemplateSchema.TryMatchKey``)."""
    for key in content:
        fitting = tuple(kind for kind in kinds if key in kind.split())
        if not fitting:
            yield f"Unexpected value '{key}'."
        kinds = fitting or kinds
    if len(kinds) > 1:
        keys = [key for kind in kinds for key in kind.split()]
        telling = ", ".join(sorted(key for key in keys if keys.count(key) == 1))
        yield f"There's not enough info to determine what you meant. Add one of these properties: {telling}."
        return
    for needed in _NEEDED.get(kinds[0], ()):
        if needed not in content:
            yield f"Required property is missing: {needed}."


def _missing(runs: dict[str, Any]) -> Iterator[str]:
    using = str(runs.get("using") or "").lower()
    if using.startswith("node") and not runs.get("main"):
        yield "You are using a JavaScript Action but there is not an entry JavaScript file provided."
    if using == "composite" and runs.get("steps") is None:
        yield "You are using a composite action but there are no steps provided."
