"""The server itself, and how much of its rate limit a caller has left."""

from __future__ import annotations

from typing import Any

from ..state import GitHub
from .routes import Access, Answer, Ask, Route

REMOVED_RATE = "2026-03-10"
"""From this API version on ``rate`` is gone: ``resources.core`` says the same."""


def get_rate_limit(github: GitHub, ask: Ask) -> Answer:
    allowance = github.limits.look(ask.caller.name, now=github.now()).to_json()
    body: dict[str, Any] = {
        "resources": {"core": allowance, "search": allowance, "actions_runner_registration": allowance}
    }
    if ask.headers.get("X-GitHub-Api-Version", "") < REMOVED_RATE:
        body["rate"] = allowance
    return Answer(body=body)


def get_meta(_github: GitHub, _ask: Ask) -> Answer:
    return Answer(body={"verifiable_password_authentication": False, "hooks": ["127.0.0.0/8"], "actions": []})


ROUTES = (
    Route(method="GET", path="/rate_limit", handler=get_rate_limit, docs="rate-limit/rate-limit", access=Access.ANYONE),
    Route(method="GET", path="/meta", handler=get_meta, docs="meta/meta", access=Access.ANYONE),
)
