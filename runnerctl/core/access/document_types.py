"""Types of the documents of callers and tokens; ``documents`` builds them."""

from __future__ import annotations

from typing import Literal, TypedDict

from ..domain.shape import Time
from .policy import Right


class LimitsDocument(TypedDict):
    """What a tenant's runners may look like. Patterns know ``*`` and ``?``."""

    tenant: str | None
    """Whose runners it sees; null: those of all."""
    repos: tuple[str, ...]
    orgs: tuple[str, ...]
    labels: tuple[str, ...]
    """Those that its runners may have beside their names."""
    max_runners: int | None
    """Of the whole tenant, at once."""
    persistent: bool
    name_pattern: str
    public_repositories: bool


class BudgetDocument(TypedDict):
    """What a tenant may cost at GitHub."""

    github_calls: int
    """An hour."""
    left: int
    failed_creates: int
    """In a row."""
    retry_after: int | None
    """Seconds until a create may be tried again after those that failed."""


class ActorDocument(TypedDict):
    """Who asks, and what that caller may do."""

    actor: str
    name: str
    scopes: list[Right]
    limits: LimitsDocument | None
    """Null for the operator."""
    expires_at: Time | None
    budget: BudgetDocument | None
    """Null where nobody counts."""


class TokenDocument(TypedDict):
    """All that is known of an API token; the token itself is kept nowhere."""

    id: str
    name: str
    status: Literal["active", "revoked", "expired"]
    scopes: tuple[Right, ...]
    limits: LimitsDocument
    created_at: Time
    expires_at: Time
    last_used_at: Time | None
    revoked_at: Time | None
    """May lie ahead: a token that was rotated can be given time."""


class SessionDocument(TypedDict):
    """A browser's session."""

    id: str
    actor: str
    """``operator`` or ``token:ID``: whose token it was begun with."""
    source: str
    """The address that began it."""
    browser: str
    """As it called itself."""
    created_at: Time
    last_used_at: Time
    expires_at: Time
    """It ends sooner with its token, and when nothing is asked for a while."""
    current: bool
    """The one that asks."""
