"""Who asks, and the limits of the tenant in whose name: what a runner may look like. Values and pure decisions; what a
caller may do at all stands in ``policy``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..domain import job_env, names
from ..domain.errors import FieldError, Forbidden
from ..domain.models import RunnerSpec, Scope
from ..domain.phrases import quoted
from .policy import Right

_PATTERN = re.compile(r"[A-Za-z0-9._*?-]{1,100}", re.ASCII)
_NOT_IN_LABELS = frozenset(",[]")


@dataclass(frozen=True, kw_only=True)
class TokenLimits:
    """What a token may ask for. Patterns know ``*`` and ``?`` and regard no case; in a repository's, ``*`` stops at
    the slash.
    """

    tenant: str | None
    """Whose runners it sees and touches; None: those of all."""
    repositories: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    """Those its runners may have beside their names."""
    max_runners: int | None = None
    """Of the whole tenant, at once."""
    persistent: bool = False
    name_pattern: str = "*"
    public_repositories: bool = False
    """Also public ones, where ``public_repositories`` of the settings refuses them."""

    def check_create(self, spec: RunnerSpec) -> None:
        """Raises ``Forbidden`` unless a runner like that may be made; what other tenants have is for the store."""
        if not self._reaches(spec.scope):
            raise _refused("repo", f"Runners for {spec.scope} are not allowed", self.repositories + self.organizations)
        if not _fits(spec.name, (self.name_pattern,)):
            raise _refused("name", f"Runner name {spec.name!r} is not allowed", (self.name_pattern,))
        for label in spec.labels:
            if label.lower() != spec.name.lower() and not _fits(label, self.labels):
                raise _refused("labels", f"Label {label!r} is not allowed", self.labels)
        job_env.check_tenants(spec.env)
        if not (spec.ephemeral or self.persistent):
            raise Forbidden("Persistent runners are not allowed", hint="This token may ask for ephemeral runners only")

    def _reaches(self, scope: Scope) -> bool:
        if scope.repo is None:
            return _fits(scope.owner, self.organizations)
        patterns = [pattern.partition("/") for pattern in self.repositories]
        return any(_fits(scope.owner, (owner,)) and _fits(scope.repo, (repo,)) for owner, _, repo in patterns)

    def claims(self, name: str, *, for_: TokenLimits) -> bool:
        """Whether a runner of that name, made ``for_`` another tenant, would be found by jobs meant for this one's.

        By its labels; or by its names, unless the other was given some of them: the narrower pattern has the name.
        """
        if _fits(name, filter(_says_something, self.labels)):
            return True
        ours = (self.name_pattern,) if _says_something(self.name_pattern) else ()
        return _fits(name, ours) and not _fits(for_.name_pattern, ours)


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who asks."""

    id: str
    """``operator``, ``token:ID``, ``uid:NUMBER`` or ``oidc:REPOSITORY@REF``: as the audit log names it."""
    name: str
    rights: frozenset[Right]
    limits: TokenLimits | None = None
    """None: no limits at all."""
    expires_at: float | None = None

    @property
    def tenant(self) -> str | None:
        return None if self.limits is None else self.limits.tenant


OPERATOR = Actor(id="operator", name="operator", rights=frozenset(Right))


def patterns(field_name: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Checked. Raises ``InvalidRequest``."""
    return tuple(dict.fromkeys(pattern(field_name, text.strip()) for text in texts))


def pattern(field_name: str, text: str) -> str:
    """Of a name, a label or an organization."""
    if _PATTERN.fullmatch(text):
        return names.no_secret(field_name, text)
    raise names.invalid(
        field_name, f"Pattern {quoted(text)} is not allowed", hint="Use letters, digits, '.', '_', '-', * or ?"
    )


def label_patterns(texts: Iterable[str]) -> tuple[str, ...]:
    """The same for labels, which may hold more."""
    kept = dict.fromkeys(text.strip() for text in texts)
    for text in kept:
        if not text or len(text) > names.MAX_LABEL_LENGTH or not text.isprintable() or _NOT_IN_LABELS & set(text):
            raise names.invalid("labels", f"Label pattern {quoted(text)} is not allowed", hint="Use labels with * or ?")
        names.no_secret("labels", text)
    return tuple(kept)


def repository_pattern(text: str) -> str:
    """``OWNER/REPO``, each a pattern."""
    owner, slash, repo = text.partition("/")
    if slash and _PATTERN.fullmatch(owner) and _PATTERN.fullmatch(repo):
        return names.no_secret("repo", text)
    raise names.invalid(
        "repo", f"Repository pattern {quoted(text)} is not allowed", hint="Use OWNER/REPO, such as octo-org/* or */*"
    )


def _says_something(pattern_: str) -> bool:
    return bool(pattern_.strip("*?-"))


def _fits(text: str, allowed: Iterable[str]) -> bool:
    return any(fnmatchcase(text.lower(), each.lower()) for each in allowed)


def _refused(field_name: str, message: str, allowed: Iterable[str]) -> Forbidden:
    shown = ", ".join(allowed) or "none"
    return Forbidden(message, hint=f"Allowed here: {shown}", errors=[FieldError(field_name, message)])
