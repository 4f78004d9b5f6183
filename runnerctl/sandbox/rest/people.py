"""Accounts as GitHub writes them down."""

from __future__ import annotations

import base64
from typing import Any

from ..state import GitHub

OCTOCAT_ID = 583231


def simple_user(github: GitHub, login: str, account_id: int, kind: str) -> dict[str, Any]:
    api = f"{github.api_url}/users/{login}"
    return {
        "login": login,
        "id": account_id,
        "node_id": node_id(kind, account_id),
        "avatar_url": f"{github.server_url}/avatars/u/{account_id}",
        "gravatar_id": "",
        "url": api,
        "html_url": f"{github.server_url}/{login}",
        "followers_url": f"{api}/followers",
        "following_url": f"{api}/following{{/other_user}}",
        "gists_url": f"{api}/gists{{/gist_id}}",
        "starred_url": f"{api}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{api}/subscriptions",
        "organizations_url": f"{api}/orgs",
        "repos_url": f"{api}/repos",
        "events_url": f"{api}/events{{/privacy}}",
        "received_events_url": f"{api}/received_events",
        "type": kind,
        "site_admin": False,
    }


def octocat(github: GitHub) -> dict[str, Any]:
    return simple_user(github, "octocat", OCTOCAT_ID, "User")


def node_id(kind: str, number: int) -> str:
    return base64.b64encode(f"0{len(kind)}:{kind}{number}".encode()).decode()
