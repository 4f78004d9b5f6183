"""Giving out tokens, changing them for new ones, taking them back. The token itself is returned once, never kept."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..domain import names
from ..domain.errors import TokenNotFound
from ..services import Services
from ..store.api_tokens import ApiToken
from . import grants, tokens
from .grants import TokenLimits
from .policy import Right

DEFAULT_LIFE = 90 * 86400.0
_LONGEST_LIFE = 3650 * 86400.0
_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def issue(
    services: Services, name: str, *, rights: Sequence[Right], limits: TokenLimits, life: float = DEFAULT_LIFE
) -> tuple[ApiToken, str]:
    """What is kept of it, and the token. Raises ``InvalidRequest`` or ``TokenExists``."""
    made = _made(services, names.runner_name(name), rights, _checked(limits, rights), life)
    token = tokens.make(services.rng)
    services.store.keep_token(made, digest=tokens.digest(token))
    return made, token


def rotate(
    services: Services, name_or_id: str, *, life: float | None = None, grace: float = 0.0
) -> tuple[ApiToken, str]:
    """A new token with the same name, rights and limits; the old one counts for ``grace`` seconds more.

    ``life`` is that of the old one if not given. Raises ``TokenNotFound`` for one that does not count any more.
    """
    old = alive(services, name_or_id)
    made = _made(services, old.name, old.rights, old.limits, old.expires_at - old.created_at if life is None else life)
    token = tokens.make(services.rng)
    at = services.clock.now() + grace
    services.store.replace_token(old, made, digest=tokens.digest(token), revoked_at=at)
    return made, token


def revoke(services: Services, name_or_id: str, *, tenant: str | None = None) -> ApiToken:
    """It does not count from now on, in any process. One that did not count before is fine.

    A ``tenant`` finds its own tokens only. Raises ``TokenNotFound``.
    """
    token = services.store.token_named(name_or_id, tenant=tenant)
    services.store.revoke_token(token, at=services.clock.now())
    return services.store.token_named(token.id)


def alive(services: Services, name_or_id: str) -> ApiToken:
    """Raises ``TokenNotFound`` unless it counts now."""
    token = services.store.token_named(name_or_id)
    refusal = token.refusal(services.clock.now())
    if refusal is not None:
        raise TokenNotFound(f"Token {token.name!r} is {refusal}", hint="Create a new one")
    return token


def _made(services: Services, name: str, rights: Sequence[Right], limits: TokenLimits, life: float) -> ApiToken:
    if not 0 < life <= _LONGEST_LIFE:
        raise names.invalid(
            "expires", "{expires} must be between 1 second and 10 years", hint="Use a duration such as 90d"
        )
    now = services.clock.now()
    return ApiToken(_new_id(services.rng), name, tuple(dict.fromkeys(rights)), limits, now, now + life, None, None)


def _checked(limits: TokenLimits, rights: Sequence[Right]) -> TokenLimits:
    if not rights:
        raise names.invalid("scope", "A token needs at least one scope", hint=f"Use {', '.join(Right)}")
    if limits.max_runners is not None and limits.max_runners < 1:
        raise names.invalid("max_runners", "{max_runners} must be at least 1")
    reaches = limits.repositories or limits.organizations
    if Right.RUNNERS_WRITE in rights and not reaches:
        raise names.invalid(
            "repo",
            "Name at least one repository: {repo} PATTERN",
            hint="A pattern is a name such as octo-org/web, octo-org/* or */*",
        )
    return TokenLimits(
        tenant=None if limits.tenant is None else names.runner_name(limits.tenant).lower(),
        repositories=tuple(map(grants.repository_pattern, limits.repositories)),
        organizations=grants.patterns("org", limits.organizations),
        labels=grants.label_patterns(limits.labels),
        max_runners=limits.max_runners,
        persistent=limits.persistent,
        name_pattern=grants.pattern("name_pattern", limits.name_pattern),
        public_repositories=limits.public_repositories,
    )


def _new_id(rng: random.Random) -> str:
    return "".join(rng.choice(_ID_ALPHABET) for _ in range(10))
