"""Who has the App installed. Every owner and repository exists, but for a few names with a meaning; all are private
until somebody publishes them.

Owner ``not-installed`` has no installation, owner ``no-permission`` has not granted the runner permissions,
and no owner has a repository ``missing``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .values import Scope

APP_ID = 424242
CLIENT_ID = "Iv23liRunnerctlSandb"
APP_SLUG = "runnerctl-sandbox"

NOT_INSTALLED = "not-installed"
NO_PERMISSION = "no-permission"
MISSING = "missing"

PERMISSIONS: Mapping[str, str] = {
    "actions": "read",
    "administration": "write",
    "contents": "read",
    "metadata": "read",
    "organization_self_hosted_runners": "write",
}
FEW_PERMISSIONS: Mapping[str, str] = {"metadata": "read"}


@dataclass(frozen=True, kw_only=True)
class Installation:
    id: int
    owner: str
    """As first written; GitHub's names do not regard case."""
    owner_id: int

    @property
    def permissions(self) -> Mapping[str, str]:
        return FEW_PERMISSIONS if self.owner.lower() == NO_PERMISSION else PERMISSIONS


class Accounts:
    """Installations come to be when first asked for."""

    def __init__(self) -> None:
        self._installations: dict[str, Installation] = {}
        self._public: set[str] = {"actions/runner"}
        self.installation("octo-org")

    def is_public(self, repository: Scope) -> bool:
        return repository.key in self._public

    def publish(self, repository: Scope, *, public: bool = True) -> None:
        """Everybody may see it from now on; or only its owner's people again."""
        if public:
            self._public.add(repository.key)
        else:
            self._public.discard(repository.key)

    def installation(self, owner: str) -> Installation | None:
        if owner.lower() == NOT_INSTALLED:
            return None
        number = len(self._installations) + 1
        new = Installation(id=50_000_000 + number, owner=owner, owner_id=1000 + number)
        return self._installations.setdefault(owner.lower(), new)

    def installation_by_id(self, installation_id: int) -> Installation | None:
        return next((found for found in self._installations.values() if found.id == installation_id), None)

    def installations(self) -> list[Installation]:
        return list(self._installations.values())


def exists(scope: Scope) -> bool:
    return scope.repo is None or scope.repo.lower() != MISSING
