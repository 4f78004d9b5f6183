"""What a step's process finds in its environment."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..execution_context import Context

# ``GitHubContext.cs``: what of the ``github`` context becomes GITHUB_…
_GITHUB = frozenset((
    "action_path", "action_ref", "action_repository", "action", "actor", "actor_id", "api_url", "base_ref", "env",
    "event_name", "event_path", "graphql_url", "head_ref", "job", "output", "path", "ref_name", "ref_protected",
    "ref_type", "ref", "repository", "repository_id", "repository_owner", "repository_owner_id", "retention_days",
    "run_attempt", "run_id", "run_number", "server_url", "sha", "state", "step_summary", "triggering_actor",
    "workflow", "workflow_ref", "workflow_sha", "workspace",
))  # fmt: skip


def of_step(context: Context, own: dict[str, str]) -> dict[str, str]:
    """All of it: the Worker's own environment, the step's (``own``), and the contexts."""
    environment = {**os.environ, **own}
    _prepend_path(environment, context.job.prepended)
    for name, value in {**context.job.github, **context.github}.items():
        if name.lower() in _GITHUB and isinstance(value, str | bool):
            environment[f"GITHUB_{name.upper()}"] = str(value)
    environment |= {f"RUNNER_{name.upper()}": value for name, value in context.job.runner.items()}
    environment |= _id_token(context)
    environment["GITHUB_ACTIONS"] = "true"
    environment.setdefault("CI", "true")
    return environment


def of_node(context: Context) -> dict[str, str]:
    """What only JavaScript actions get: where the services are, and the token for them."""
    message = context.job.message
    services = message.services
    found = {
        "ACTIONS_RUNTIME_URL": services.get("pipelinesserviceurl") or message.url,
        "ACTIONS_RUNTIME_TOKEN": message.token,
        "ACTIONS_CACHE_URL": services.get("cacheserverurl", ""),
        "ACTIONS_RESULTS_URL": services.get("resultsserviceurl", ""),
        "ACTIONS_CACHE_SERVICE_V2": "True" if message.is_on("actions_uses_cache_service_v2") else "",
    }
    return {name: value for name, value in found.items() if value}


def inputs(given: dict[str, str]) -> dict[str, str]:
    return {f"INPUT_{name.replace(' ', '_').upper()}": value for name, value in given.items()}


def search_path(context: Context) -> list[str]:
    return [*reversed(context.job.prepended), *os.environ.get("PATH", os.defpath).split(":")]


def which(program: str, context: Context) -> str:
    """Its full path; "" if there is none."""
    if "/" in program:
        return program if os.access(program, os.X_OK) else ""
    paths = (f"{directory}/{program}" for directory in search_path(context) if directory)
    return next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), "")


def _id_token(context: Context) -> dict[str, str]:
    url = context.job.message.services.get("generateidtokenurl")
    if not url:
        return {}
    return {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": context.job.message.token}


def _prepend_path(environment: dict[str, str], prepended: list[str]) -> None:
    if prepended:
        environment["PATH"] = ":".join([*reversed(prepended), environment.get("PATH", os.defpath)])
