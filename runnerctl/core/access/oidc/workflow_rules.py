"""Which workflows may ask for what: rules on the claims of their OIDC tokens. Without a rule that fits, nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from ...domain import names
from ...domain.errors import FieldError, Forbidden, InvalidRequest
from ...redact import redact
from .. import grants
from ..grants import Actor, TokenLimits
from ..policy import Right
from . import own_names
from .claims import Claim, subject_forms
from .own_names import texts

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
    """None: those of the workflow's own repository, as ``own_names`` says."""
    public_repositories: bool = False

    def __post_init__(self) -> None:
        if not _WHOSE & self.match.keys():
            raise ValueError(f"`match` must say whose workflows; name one of {', '.join(sorted(_WHOSE))}")
        if self.max_runners is not None and self.max_runners < 1:
            raise ValueError("`max_runners` must be above 0")
        try:
            for text in (*texts(self.match.get("repository", [])), *(self.repos or ())):
                grants.repository_pattern(text)
            grants.patterns("orgs", self.orgs)
            grants.label_patterns(self.labels or ())
            grants.patterns("name_pattern", [self.name_pattern] if self.name_pattern else [])
        except InvalidRequest as exc:
            raise ValueError(exc.message) from exc

    def fits(self, claims: Mapping[str, Any]) -> bool:
        return all(_fits(name, _claimed(name, claims), wanted) for name, wanted in self.match.items())

    def names_of(self, repository: str) -> str:
        """Those its runners may have; of a repository, or of all that fit a pattern."""
        return self.name_pattern or f"{own_names.prefix(self.match, repository)}-*"


def _claimed(name: str, claims: Mapping[str, Any]) -> tuple[str, ...]:
    """As GitHub told it; a subject in both of its forms."""
    if name == "sub":
        return subject_forms(claims)
    claimed = claims.get(name)
    return (claimed,) if isinstance(claimed, str) else ()


def _fits(name: str, claimed: tuple[str, ...], wanted: str | list[str]) -> bool:
    return any(_fits_one(name, each, pattern) for each in claimed for pattern in texts(wanted))


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
            name_pattern=rule.names_of(repository),
            public_repositories=rule.public_repositories,
        )
        ends = float(claims["exp"])
        return Actor(id=caller(claims), name=repository, rights=frozenset(rule.scopes), limits=limits, expires_at=ends)

    def others(self, tenant: str) -> Iterator[TokenLimits]:
        """Labels and names that workflows of others may have; a rule for many repositories is never one's own."""
        for rule in self.rules:
            for repository in texts(rule.match.get("repository", "*/*")):
                if repository.lower() != tenant:
                    names_of_theirs = rule.names_of(repository)
                    yield TokenLimits(tenant=None, labels=self._labels(rule), name_pattern=names_of_theirs)

    def check_own(self, name: str, limits: TokenLimits) -> None:
        """Raises ``Forbidden`` for a name that another repository has by a rule without ``name_pattern``.

        Whoever was given a pattern by the operator, by a rule or with an API token, may use all of it.
        """
        own, theirs = limits.name_pattern.removesuffix("-*").lower(), own_names.of(name)
        if theirs == own or not self._is_own(own, limits.tenant or ""):
            return
        if any(own_names.may_be_of(rule.match, theirs) for rule in self._by_repository()):
            raise Forbidden(
                f"Runner name {name!r} is not allowed: it is one of repository {theirs!r}",
                hint=f"Use {own}-SUFFIX with no further '-' in it, such as {own}-1.2, "
                "or ask the operator for a rule with a name_pattern",
                errors=[FieldError("name", "belongs to another repository")],
            )

    def _is_own(self, prefix: str, tenant: str) -> bool:
        """Whether a tenant that is a repository has that prefix by a rule, and no pattern of its own."""
        return "/" in tenant and any(own_names.prefix(rule.match, tenant) == prefix for rule in self._by_repository())

    def _by_repository(self) -> list[Rule]:
        return [rule for rule in self.rules if rule.name_pattern is None]

    def _labels(self, rule: Rule) -> tuple[str, ...]:
        return self.labels if rule.labels is None else rule.labels


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
