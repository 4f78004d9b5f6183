"""A repository: whose it is, and who may see it."""

from __future__ import annotations

import zlib
from typing import Any

from ..state import GitHub
from ..times import iso
from ..values import Scope
from .people import node_id, simple_user
from .routes import Answer, Ask, Route

_STRANGERS_OWNER_ID = 999


def get_repository(github: GitHub, ask: Ask) -> Answer:
    installation = github.accounts.installation(ask.scope.owner)
    owner_id = installation.owner_id if installation else _STRANGERS_OWNER_ID
    return Answer(body=_repository(github, ask.scope, owner_id))


def _repository(github: GitHub, scope: Scope, owner_id: int) -> dict[str, Any]:
    number = zlib.crc32(scope.key.encode())
    public = github.accounts.is_public(scope)
    return {
        "id": number,
        "node_id": node_id("Repository", number),
        "name": scope.repo,
        "full_name": str(scope),
        "owner": simple_user(github, scope.owner, owner_id, "Organization"),
        "private": not public,
        "visibility": "public" if public else "private",
        "description": None,
        "homepage": None,
        "language": None,
        "license": None,
        "mirror_url": None,
        "default_branch": "main",
        **_addresses(github, scope),
        **dict.fromkeys(_NUMBERS, 0),
        **dict.fromkeys(_NOT_SO, False),
        **dict.fromkeys(("created_at", "updated_at", "pushed_at"), iso(github.started_at)),
    }


def _addresses(github: GitHub, scope: Scope) -> dict[str, str]:
    api, html = f"{github.api_url}{scope.path}", f"{github.server_url}/{scope}"
    return {
        "url": api,
        "html_url": html,
        "svn_url": html,
        "clone_url": f"{html}.git",
        "git_url": f"git:{html.partition(':')[2]}.git",
        "ssh_url": f"git@{html.partition('//')[2]}.git",
        **{f"{name}_url": f"{api}/{path}" for name, path in _BELOW.items()},
    }


_BELOW = {
    "archive": "{archive_format}{/ref}",
    "assignees": "assignees{/user}",
    "blobs": "git/blobs{/sha}",
    "branches": "branches{/branch}",
    "collaborators": "collaborators{/collaborator}",
    "comments": "comments{/number}",
    "commits": "commits{/sha}",
    "compare": "compare/{base}...{head}",
    "contents": "contents/{+path}",
    "contributors": "contributors",
    "deployments": "deployments",
    "downloads": "downloads",
    "events": "events",
    "forks": "forks",
    "git_commits": "git/commits{/sha}",
    "git_refs": "git/refs{/sha}",
    "git_tags": "git/tags{/sha}",
    "hooks": "hooks",
    "issue_comment": "issues/comments{/number}",
    "issue_events": "issues/events{/number}",
    "issues": "issues{/number}",
    "keys": "keys{/key_id}",
    "labels": "labels{/name}",
    "languages": "languages",
    "merges": "merges",
    "milestones": "milestones{/number}",
    "notifications": "notifications{?since,all,participating}",
    "pulls": "pulls{/number}",
    "releases": "releases{/id}",
    "stargazers": "stargazers",
    "statuses": "statuses/{sha}",
    "subscribers": "subscribers",
    "subscription": "subscription",
    "tags": "tags",
    "teams": "teams",
    "trees": "git/trees{/sha}",
}
_NUMBERS = (
    "size", "forks", "forks_count", "network_count", "open_issues", "open_issues_count", "stargazers_count",
    "subscribers_count", "watchers", "watchers_count",
)  # fmt: skip
_NOT_SO = (
    "fork", "archived", "disabled", "has_issues", "has_projects", "has_wiki", "has_pages", "has_downloads",
    "has_discussions",
)  # fmt: skip

ROUTES = (
    Route(
        method="GET",
        path="/repos/{owner}/{repo}",
        handler=get_repository,
        docs="repos/repos",
        permission="metadata",
    ),
)
