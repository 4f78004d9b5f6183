"""Callers and tokens as documents: the JSON that both front ends give out. No secret is in them."""

from __future__ import annotations

import math

from ..domain.timestamps import timestamp
from ..store.api_tokens import ApiToken
from ..store.sessions import Session
from .budget import TenantUse
from .document_types import ActorDocument, BudgetDocument, LimitsDocument, SessionDocument, TokenDocument
from .grants import Actor, TokenLimits
from .policy import Right


def actor_document(actor: Actor, use: TenantUse | None = None, *, now: float, github_calls: int) -> ActorDocument:
    """``use`` is what its tenant has used of ``github_calls`` an hour; None: nobody counts."""
    return {
        "actor": actor.id,
        "name": actor.name,
        "scopes": [right for right in Right if right in actor.rights],
        "limits": None if actor.limits is None else limits_document(actor.limits),
        "expires_at": timestamp(actor.expires_at),
        "budget": None if use is None else _budget_document(use, now=now, github_calls=github_calls),
    }


def _budget_document(use: TenantUse, *, now: float, github_calls: int) -> BudgetDocument:
    return {
        "github_calls": github_calls,
        "left": max(0, int(github_calls - use.calls(now, an_hour=github_calls))),
        "failed_creates": use.in_a_row(now),
        "retry_after": math.ceil(use.pause(now)) or None,
    }


def limits_document(limits: TokenLimits) -> LimitsDocument:
    return {
        "tenant": limits.tenant,
        "repos": limits.repositories,
        "orgs": limits.organizations,
        "labels": limits.labels,
        "max_runners": limits.max_runners,
        "persistent": limits.persistent,
        "name_pattern": limits.name_pattern,
        "public_repositories": limits.public_repositories,
    }


def token_document(token: ApiToken, *, now: float) -> TokenDocument:
    """All that is known of it; ``status`` is ``active``, ``revoked`` or ``expired``."""
    return {
        "id": token.id,
        "name": token.name,
        "status": token.refusal(now) or "active",
        "scopes": token.rights,
        "limits": limits_document(token.limits),
        "created_at": timestamp(token.created_at),
        "expires_at": timestamp(token.expires_at),
        "last_used_at": timestamp(token.last_used_at),
        "revoked_at": timestamp(token.revoked_at),
    }


def session_document(session: Session, *, current: bool) -> SessionDocument:
    """``current``: the one that asks."""
    return {
        "id": session.id,
        "actor": session.actor_id,
        "source": session.source,
        "browser": session.browser,
        "created_at": timestamp(session.created_at),
        "last_used_at": timestamp(session.last_used_at),
        "expires_at": timestamp(session.expires_at),
        "current": current,
    }
