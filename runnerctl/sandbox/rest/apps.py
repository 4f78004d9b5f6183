"""The App, its installations and their tokens."""

from __future__ import annotations

from typing import Any

from ..accounts import APP_ID, APP_SLUG, CLIENT_ID, PERMISSIONS, Installation, exists
from ..callers import CallerKind
from ..state import GitHub
from ..times import iso
from ..tokens import TokenKind
from ..values import Scope
from .bodies import optional
from .people import node_id, octocat, simple_user
from .routes import Access, Answer, Ask, Refusal, Route, paged

_LEVELS = ("read", "write")


def get_app(github: GitHub, _ask: Ask) -> Answer:
    return Answer(
        body={
            "id": APP_ID,
            "client_id": CLIENT_ID,
            "slug": APP_SLUG,
            "node_id": node_id("App", APP_ID),
            "owner": octocat(github),
            "name": "runnerctl sandbox",
            "description": None,
            "external_url": github.server_url,
            "html_url": f"{github.server_url}/github-apps/{APP_SLUG}",
            "created_at": iso(github.started_at),
            "updated_at": iso(github.started_at),
            "permissions": dict(PERMISSIONS),
            "events": [],
            "installations_count": len(github.accounts.installations()),
        }
    )


def list_installations(github: GitHub, ask: Ask) -> Answer:
    page, headers = paged(ask, github.accounts.installations())
    return Answer(body=[_installation(github, found) for found in page], headers=headers)


def get_installation(github: GitHub, ask: Ask) -> Answer:
    return Answer(body=_installation(github, _by_id(github, ask)))


def get_scope_installation(github: GitHub, ask: Ask) -> Answer:
    return _answer_for(github, ask.scope)


def get_user_installation(github: GitHub, ask: Ask) -> Answer:
    return _answer_for(github, Scope(owner=ask.parts["username"]), kind="User")


def create_token(github: GitHub, ask: Ask) -> Answer:
    installation = _by_id(github, ask)
    permissions = _asked_permissions(ask, installation)
    repositories = optional(ask, "repositories", list, [])
    token = github.issue(
        TokenKind.INSTALLATION,
        owner=installation.owner,
        permissions=permissions,
        repositories=frozenset(str(name).lower() for name in repositories) if repositories else None,
    )
    return Answer(
        status=201,
        body={
            "token": token.value,
            "expires_at": iso(token.expires_at),
            "permissions": permissions,
            "repository_selection": "selected" if repositories else "all",
        },
    )


def revoke_token(github: GitHub, ask: Ask) -> Answer:
    if ask.caller.kind is not CallerKind.INSTALLATION or ask.caller.token is None:
        raise Refusal(401, "Bad credentials")
    github.tokens.forget(ask.caller.token.value)
    return Answer(status=204)


def _by_id(github: GitHub, ask: Ask) -> Installation:
    installation = github.accounts.installation_by_id(ask.number("installation_id"))
    if installation is None:
        raise Refusal(404)
    return installation


def _asked_permissions(ask: Ask, installation: Installation) -> dict[str, str]:
    """All that the installation has, or the part that was asked for."""
    asked: dict[str, Any] = optional(ask, "permissions", dict, dict(installation.permissions))
    for name, level in asked.items():
        granted = installation.permissions.get(name)
        if level not in _LEVELS or granted is None or _LEVELS.index(level) > _LEVELS.index(granted):
            raise Refusal(422, "The permissions requested are not granted to this installation.")
    return asked


def _answer_for(github: GitHub, scope: Scope, *, kind: str = "Organization") -> Answer:
    installation = github.accounts.installation(scope.owner)
    if installation is None or not exists(scope):
        raise Refusal(404)
    return Answer(body=_installation(github, installation, kind=kind))


def _installation(github: GitHub, installation: Installation, *, kind: str = "Organization") -> dict[str, Any]:
    return {
        "id": installation.id,
        "client_id": CLIENT_ID,
        "account": simple_user(github, installation.owner, installation.owner_id, kind),
        "repository_selection": "all",
        "access_tokens_url": f"{github.api_url}/app/installations/{installation.id}/access_tokens",
        "repositories_url": f"{github.api_url}/installation/repositories",
        "html_url": f"{github.server_url}/organizations/{installation.owner}/settings/installations/{installation.id}",
        "app_id": APP_ID,
        "app_slug": APP_SLUG,
        "target_id": installation.owner_id,
        "target_type": kind,
        "permissions": dict(installation.permissions),
        "events": [],
        "created_at": iso(github.started_at),
        "updated_at": iso(github.started_at),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": None,
        "suspended_at": None,
    }


_DOCS = "apps/apps"
_APP = Access.APP

ROUTES = (
    Route(method="GET", path="/app", handler=get_app, docs=_DOCS, access=_APP),
    Route(method="GET", path="/app/installations", handler=list_installations, docs=_DOCS, access=_APP),
    Route(method="GET", path="/app/installations/{installation_id}", handler=get_installation, docs=_DOCS, access=_APP),
    Route(
        method="POST",
        path="/app/installations/{installation_id}/access_tokens",
        handler=create_token,
        docs=_DOCS,
        access=_APP,
    ),
    Route(
        method="GET",
        path="/repos/{owner}/{repo}/installation",
        handler=get_scope_installation,
        docs=_DOCS,
        access=_APP,
    ),
    Route(method="GET", path="/orgs/{org}/installation", handler=get_scope_installation, docs=_DOCS, access=_APP),
    Route(method="GET", path="/users/{username}/installation", handler=get_user_installation, docs=_DOCS, access=_APP),
    Route(
        method="DELETE",
        path="/installation/token",
        handler=revoke_token,
        docs="apps/installations",
        access=Access.ANYONE,
    ),
)
