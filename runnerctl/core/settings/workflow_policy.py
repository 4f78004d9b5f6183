"""Which workflows the settings let in."""

from __future__ import annotations

from ..access import grants
from ..access.oidc.workflow_rules import Policy, parse
from ..domain.errors import ConfigInvalid
from .load import Settings


def workflow_policy(settings: Settings) -> Policy | None:
    """What the settings say; None without an issuer. Raises ``ConfigInvalid`` for half of it."""
    issuer, audience, rules = (settings.get(f"oidc.{key}") for key in ("issuer", "audience", "rules"))
    if issuer is None:
        if audience is not None or rules is not None:
            raise ConfigInvalid(
                "oidc.audience or oidc.rules is set, but no oidc.issuer",
                hint="GitHub's is https://token.actions.githubusercontent.com",
            )
        return None
    if audience is None:
        raise ConfigInvalid(
            "oidc.issuer is set, but no oidc.audience",
            hint="Choose a name for this server, such as its address; workflows ask for tokens with it",
        )
    labels = grants.label_patterns(settings.get("defaults.labels").split(","))
    return Policy(issuer=issuer, audience=audience, rules=parse(rules or "[]"), labels=labels)
