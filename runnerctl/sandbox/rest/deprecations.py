"""When a version of actions/runner ends (since 2026-09-03; no Enterprise Server has it)."""

from __future__ import annotations

from typing import Any

from ..state import GitHub
from ..times import iso
from .routes import Answer, Ask, Refusal, Route, in_both_scopes


def get_deprecation(github: GitHub, ask: Ask) -> Answer:
    """404 for what was never released, and where this GitHub has no such call."""
    version = ask.parts["version"]
    if not github.knobs.deprecations or github.releases.by_tag(f"v{version}") is None:
        raise Refusal(404)
    ends = github.version_ends.of(version)
    body: dict[str, Any] = {
        "runner_version": version,
        "runtime_deprecates_at": None if ends.runtime_at is None else iso(ends.runtime_at),
    }
    if ends.registration_at is not None:
        body["registration_deprecates_at"] = iso(ends.registration_at)
    return Answer(body=body)


ROUTES = in_both_scopes(
    Route(
        method="GET",
        path="/actions/runners/deprecations/{version}",
        handler=get_deprecation,
        docs="actions/self-hosted-runners",
    )
)
