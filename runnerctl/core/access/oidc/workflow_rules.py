"""Which workflows may ask for what: rules on the claims of their OIDC tokens. Without a rule that fits, nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from ...domain import names
from ...domain.errors import InvalidRequest
from ...redact import redact
from .. import grants
from ..grants import Actor, Right, TokenLimits

Claim = Literal[
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "repository_visibility",
    "ref",
    "environment",
    "job_workflow_ref",
    "event_name",
    "sub",
]
_WHOSE = frozenset({"repository", "repository_id", "repository_owner", "repository_owner_id", "sub"})
_WITHOUT_CASE = frozenset({"repository", "repository_owner"})
"""GitHub's names regard no case; refs and paths do."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of ``oidc.rules``: what a token must claim, and what its workflow may do then."""

    match: dict[Claim, str | list[str]]
    """Patterns by claim; every claim must fit one of its own."""
    scopes: tuple[Right, ...] = (Right.RUNNERS_READ, Right.RUNNERS_WRITE, Right.LOGS_READ)
    repos: tuple[str, ...] | None = None
    """None: the workflow's own."""
    orgs: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    """None: those of ``defaults.labels``."""
    max_runners: int | None = None
    """Of one repository's workflows, at once."""
    persistent: bool = False
    name_pattern: str | None = None
    """None: ``REPO-*``, of the workflow's own repository."""
    public_repositories: bool = False

    def __post_init__(self) -> None:
        if not _WHOSE & self.match.keys():
            raise ValueError(f"`match` must say whose workflows; name one of {', '.join(sorted(_WHOSE))}")
        if self.max_runners is not None and self.max_runners < 1:
            raise ValueError("`max_runners` must be above 0")
        try:
            for text in (*_texts(self.match.get("repository", [])), *(self.repos or ())):
                grants.repository_pattern(text)
            grants.patterns("orgs", self.orgs)
            grants.label_patterns(self.labels or ())
            grants.patterns("name_pattern", [self.name_pattern] if self.name_pattern else [])
        except InvalidRequest as exc:
            raise ValueError(exc.message) from exc

    def fits(self, claims: Mapping[str, Any]) -> bool:
        return all(_fits(name, claims.get(name), wanted) for name, wanted in self.match.items())


def _texts(wanted: str | list[str]) -> list[str]:
    return [wanted] if isinstance(wanted, str) else wanted


def _fits(name: str, claimed: object, wanted: str | list[str]) -> bool:
    if not isinstance(claimed, str):
        return False
    return any(_fits_one(name, claimed, pattern) for pattern in _texts(wanted))


def _fits_one(name: str, claimed: str, pattern: str) -> bool:
    if name in _WITHOUT_CASE:
        claimed, pattern = claimed.lower(), pattern.lower()
    if name == "repository":  # `*` must not reach from one owner's name into another's
        parts = zip(claimed.partition("/"), pattern.partition("/"), strict=True)
        return all(fnmatchcase(part, wanted) for part, wanted in parts)
    return fnmatchcase(claimed, pattern)


def parse(text: str) -> tuple[Rule, ...]:
    """Rules as JSON. Raises ``ValueError`` saying which is wrong, and how."""
    try:
        return msgspec.json.decode(text, type=tuple[Rule, ...])
    except msgspec.MsgspecError as exc:
        raise ValueError(str(exc).replace("$[", "rule [")) from exc


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Whose tokens count, and the rules. Immutable; a reload makes another."""

    issuer: str
    audience: str
    rules: tuple[Rule, ...]
    labels: tuple[str, ...]
    """For rules that name none."""

    def actor(self, claims: Mapping[str, Any]) -> Actor | None:
        """Whom these claims, which are proven, make of the caller by the first rule that fits; None: nobody.

        Its tenant is the repository: a slash is in no API token's tenant.
        """
        rule = next((rule for rule in self.rules if rule.fits(claims)), None)
        if rule is None:
            return None
        repository = str(claims["repository"])
        limits = TokenLimits(
            tenant=repository.lower(),
            repositories=(repository,) if rule.repos is None else rule.repos,
            organizations=rule.orgs,
            labels=self._labels(rule),
            max_runners=rule.max_runners,
            persistent=rule.persistent,
            name_pattern=_name_pattern(rule, repository),
            public_repositories=rule.public_repositories,
        )
        ends = float(claims["exp"])
        return Actor(id=caller(claims), name=repository, rights=frozenset(rule.scopes), limits=limits, expires_at=ends)

    def others(self, tenant: str) -> Iterator[TokenLimits]:
        """Labels and names that workflows of others may have; a rule for many repositories is never one's own."""
        for rule in self.rules:
            for repository in _texts(rule.match.get("repository", "*/*")):
                if repository.lower() != tenant:
                    names_of_theirs = _name_pattern(rule, repository)
                    yield TokenLimits(tenant=None, labels=self._labels(rule), name_pattern=names_of_theirs)

    def _labels(self, rule: Rule) -> tuple[str, ...]:
        return self.labels if rule.labels is None else rule.labels


def _name_pattern(rule: Rule, repository: str) -> str:
    """That of a repository, or of all that fit a pattern."""
    return rule.name_pattern or f"{repository.partition('/')[2]}-*"


def caller(claims: Mapping[str, Any]) -> str:
    """Who that is, for the audit log."""
    ref = claims.get("ref")
    who = f"oidc:{claims['repository']}@{ref}" if isinstance(ref, str) else f"oidc:{claims.get('sub')}"
    return redact(who)  # a branch may be named like anything


def is_repository(claimed: object) -> bool:
    """Whether it can be one, and stands for itself where a pattern is expected."""
    try:
        names.repository(claimed if isinstance(claimed, str) else "")
    except InvalidRequest:
        return False
    return True
