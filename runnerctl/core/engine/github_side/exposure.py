"""Runners of public repositories: anybody at GitHub can propose a change whose code such a runner then runs.

They are refused unless the settings or the caller's token allow them. A create that cannot be told whether its
repository is public does not happen: what it asked of GitHub next would fail for the same reasons. A runner that
exists is touched only when GitHub has said that its repository is public. Of an organization's repositories nothing is
asked: its runner groups decide there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.errors import FieldError, Forbidden

if TYPE_CHECKING:
    from ...domain.models import Runner
    from ...services import Services

_NEWS_SECONDS = 60.0
"""Nobody is refused because of what GitHub said longer ago."""


def check(services: Services, runner: Runner) -> None:
    """For one that is about to be registered or started. Raises ``Forbidden``, or what GitHub raises."""
    if is_allowed(services, runner) or not _is_public(services, runner):
        return
    message = f"Repository {runner.scope} is public, and runners of public repositories are not allowed"
    raise Forbidden(
        message,
        hint="Pull requests from strangers could run here. To allow that, set public_repositories or use a token"
        " that allows it",
        errors=[FieldError("repo", message)],
    )


def check_again(services: Services, runner: Runner) -> None:
    """For one that was found exposed and is to be started: it may be so no more. Raises like ``check``."""
    if runner.exposed_at is not None:
        check(services, runner)
        services.store.note_exposures({runner.id: None})


def is_allowed(services: Services, runner: Runner) -> bool:
    """Whether it may run wherever its repository is seen. No GitHub call."""
    return runner.scope.repo is None or runner.may_be_public or bool(services.settings.public_repositories)


def warning(services: Services, runner: Runner) -> str | None:
    """What is wrong with one that was found exposed, in words."""
    if runner.exposed_at is None or not runner.live or is_allowed(services, runner):
        return None
    return f"Repository {runner.scope} has become public, and runners of public repositories are not allowed"


def _is_public(services: Services, runner: Runner) -> bool:
    github = services.github
    # What this process was told an hour ago is older than what another one found out and wrote into the row.
    suspected = runner.exposed_at is not None or github.is_public(runner.scope)
    return suspected and github.is_public(runner.scope, max_age=_NEWS_SECONDS)
