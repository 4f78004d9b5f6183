"""The steps of a job, from what a person writes in a workflow to what a runner is sent."""

from __future__ import annotations

import re
import uuid
from typing import Any

from ..values import Step
from .typed_values import mapping, token

_STATUS_FUNCTION = re.compile(r"\b(always|success|failure|cancelled)\s*\(", re.IGNORECASE)
_LITERAL = re.compile(r"'[^']*'")


def step_message(step: Step, number: int) -> dict[str, Any]:
    name = step.id or f"__run_{number}"
    message = {
        "type": "action",
        "id": str(uuid.uuid4()),
        "name": name,
        "contextName": name,
        "enabled": True,
        "condition": _condition(step.condition),
    }
    if step.name:
        message["displayNameToken"] = token(step.name)
    message |= {"reference": _reference(step), "inputs": mapping(_inputs(step))}
    if step.env:
        message["environment"] = mapping(step.env)
    return message


def action_of(uses: str) -> tuple[str, str, str]:
    """``owner/name/path@version`` as (owner/name, path, version). Raises ValueError."""
    name, at, version = uses.partition("@")
    owner, slash, rest = name.partition("/")
    repository, _, path = rest.partition("/")
    if not (at and slash and owner and repository and version):
        raise ValueError(f"'uses' is OWNER/NAME@VERSION, ./DIRECTORY or docker://IMAGE, not {uses!r}")
    return f"{owner}/{repository}", path, version


def is_remote(uses: str) -> bool:
    """Whether the action comes from a repository of its own."""
    return not uses.startswith(("./", "docker://"))


def _condition(written: str | None) -> str:
    """As GitHub completes it: a condition that asks for no status means success as well
    (``PipelineTemplateConverter.ConvertToIfCondition``).
    """
    found = token(written or "")
    text = str(found["expr"] if isinstance(found, dict) else found).strip()
    if not text:
        return "success()"
    return text if _STATUS_FUNCTION.search(_LITERAL.sub("''", text)) else f"success() && ({text})"


def _reference(step: Step) -> dict[str, Any]:
    if step.uses is None:
        return {"type": "script"}
    if step.uses.startswith("docker://"):
        return {"type": "containerRegistry", "image": step.uses.removeprefix("docker://")}
    if not is_remote(step.uses):
        return {"type": "repository", "repositoryType": "self", "path": step.uses}
    name, path, version = action_of(step.uses)
    return {"type": "repository", "name": name, "ref": version, "repositoryType": "GitHub", "path": path}


def _inputs(step: Step) -> dict[str, str]:
    if step.run is None:
        return step.with_
    own = {"script": step.run, "shell": step.shell, "workingDirectory": step.working_directory}
    return {key: value for key, value in own.items() if value is not None}
