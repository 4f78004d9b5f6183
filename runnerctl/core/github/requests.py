"""The calls to GitHub that runnerctl makes, as values: nothing here touches the network.

Every builder names the page of GitHub's documentation it follows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from ..domain.models import Scope

PAGE_SIZE = "100"
"""GitHub's own maximum; more is cut to it without a word."""
DEFAULT_GROUP_ID = 1

_NEXT = re.compile(r'<([^<>]+)>\s*;[^,<]*?\brel="?next"?', re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call, without its credentials."""

    operation: str
    """The same word for all calls of its kind, whomever they are about."""
    method: str
    path: str
    """Below the API's base; an absolute URL only where GitHub itself named it (the next page)."""
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: object = None
    purpose: str
    """What it is for, to end the sentence "GitHub refused to …"."""
    missing: str
    """What a 404 to it means: GitHub says the same for what is not there and for what we may not see."""
    idempotent: bool = True
    """May be sent again when no answer came."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)


def _missing(scope: Scope) -> str:
    kind = "repository" if scope.repo else "organization"
    return f"There is no {kind} {str(scope)!r}, or the App is not installed there, or the credentials may not see it"


def generate_jitconfig(scope: Scope, *, name: str, group_id: int, labels: tuple[str, ...], workdir: str) -> Request:
    # https://docs.github.com/rest/actions/self-hosted-runners#create-configuration-for-a-just-in-time-runner-for-a-repository
    body = {"name": name, "runner_group_id": group_id, "labels": list(labels), "work_folder": workdir}
    group = "" if group_id == DEFAULT_GROUP_ID else f", or there is no runner group {group_id}"
    return Request(
        operation="generate_jitconfig",
        method="POST",
        path=f"{scope.path}/actions/runners/generate-jitconfig",
        json=body,
        purpose=f"register runner {name!r} for {scope}",
        missing=_missing(scope) + group,
        # GitHub may register the runner and lose the answer: a repeat then collides with our own name.
        idempotent=False,
    )


def registration_token(scope: Scope) -> Request:
    # https://docs.github.com/rest/actions/self-hosted-runners#create-a-registration-token-for-a-repository
    return Request(
        operation="registration_token",
        method="POST",
        path=f"{scope.path}/actions/runners/registration-token",
        purpose=f"give a registration token for {scope}",
        missing=_missing(scope),
    )


def remove_token(scope: Scope) -> Request:
    # https://docs.github.com/rest/actions/self-hosted-runners#create-a-remove-token-for-a-repository
    return Request(
        operation="remove_token",
        method="POST",
        path=f"{scope.path}/actions/runners/remove-token",
        purpose=f"give a remove token for {scope}",
        missing=_missing(scope),
    )


def list_runners(scope: Scope, *, name: str | None = None, per_page: str = PAGE_SIZE) -> Request:
    # https://docs.github.com/rest/actions/self-hosted-runners#list-self-hosted-runners-for-a-repository
    params = {"per_page": per_page} if name is None else {"per_page": per_page, "name": name}
    return Request(
        operation="list_runners",
        method="GET",
        path=f"{scope.path}/actions/runners",
        params=params,
        purpose=f"list the runners of {scope}",
        missing=_missing(scope),
    )


def get_runner(scope: Scope, runner_id: int) -> Request:
    # https://docs.github.com/rest/actions/self-hosted-runners#get-a-self-hosted-runner-for-a-repository
    return Request(
        operation="get_runner",
        method="GET",
        path=f"{scope.path}/actions/runners/{runner_id}",
        purpose=f"show runner {runner_id} of {scope}",
        missing=_missing(scope),
    )


def delete_runner(scope: Scope, runner_id: int) -> Request:
    # https://docs.github.com/rest/actions/self-hosted-runners#delete-a-self-hosted-runner-from-a-repository
    return Request(
        operation="delete_runner",
        method="DELETE",
        path=f"{scope.path}/actions/runners/{runner_id}",
        purpose=f"delete runner {runner_id} of {scope}",
        missing=_missing(scope),
    )


def list_groups(scope: Scope) -> Request:
    # https://docs.github.com/rest/actions/self-hosted-runner-groups#list-self-hosted-runner-groups-for-an-organization
    return Request(
        operation="list_groups",
        method="GET",
        path=f"orgs/{scope.owner}/actions/runner-groups",
        params={"per_page": PAGE_SIZE},
        purpose=f"list the runner groups of {scope.owner}",
        missing=_missing(Scope(owner=scope.owner)),
    )


def get_repository(scope: Scope) -> Request:
    # https://docs.github.com/rest/repos/repos#get-a-repository
    return Request(
        operation="get_repository",
        method="GET",
        path=scope.path,
        purpose=f"tell whether {scope} is public",
        missing=_missing(scope),
    )


def list_downloads(scope: Scope) -> Request:
    # https://docs.github.com/rest/actions/self-hosted-runners#list-runner-applications-for-a-repository
    return Request(
        operation="list_downloads",
        method="GET",
        path=f"{scope.path}/actions/runners/downloads",
        purpose=f"list the runner packages for {scope}",
        missing=_missing(scope),
    )


def get_deprecation(scope: Scope, version: str) -> Request:
    # https://docs.github.com/enterprise-cloud@latest/rest/actions/self-hosted-runners#get-runner-version-end-of-life-schedule-for-a-repository
    return Request(
        operation="get_deprecation",
        method="GET",
        path=f"{scope.path}/actions/runners/deprecations/{quote(version, safe='')}",
        purpose=f"tell when version {version} of the runner ends for {scope}",
        missing=f"This GitHub does not tell when version {version} of the runner ends",
    )


def runner_release(version: str) -> Request:
    # https://docs.github.com/rest/releases/releases#get-a-release-by-tag-name
    which = "latest" if version == "latest" else f"tags/v{quote(version.removeprefix('v'), safe='')}"
    return Request(
        operation="runner_release",
        method="GET",
        path=f"repos/actions/runner/releases/{which}",
        purpose=f"show release {version} of actions/runner",
        missing=f"There is no release {version} of actions/runner",
    )


def find_installation(scope: Scope) -> Request:
    # https://docs.github.com/rest/apps/apps#get-a-repository-installation-for-the-authenticated-app
    kind = "repository" if scope.repo else "organization"
    return Request(
        operation="find_installation",
        method="GET",
        path=f"{scope.path}/installation",
        purpose=f"look up the App's installation on {scope}",
        missing=f"The GitHub App is not installed on {str(scope)!r}, or there is no such {kind}",
    )


def installation_token(installation_id: int) -> Request:
    # https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app
    return Request(
        operation="installation_token",
        method="POST",
        path=f"app/installations/{installation_id}/access_tokens",
        purpose=f"give a token for installation {installation_id}",
        missing=f"The GitHub App has no installation {installation_id}",
    )


def get_app() -> Request:
    # https://docs.github.com/rest/apps/apps#get-the-authenticated-app
    return Request(
        operation="get_app",
        method="GET",
        path="app",
        purpose="tell which App this is",
        missing="There is no such App",
    )


def get_rate_limit() -> Request:
    # https://docs.github.com/rest/rate-limit/rate-limit: costs nothing, and tells a bad token from a good one.
    return Request(
        operation="get_rate_limit",
        method="GET",
        path="rate_limit",
        purpose="take the token",
        # https://docs.github.com/enterprise-server/rest/rate-limit/rate-limit
        missing="This GitHub has no rate limit",
    )


def next_page(link: str | None) -> str | None:
    """The URL of the next page in a ``Link`` header, to be followed as it is: it may read /repositories/ID/… ."""
    # https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api
    found = _NEXT.search(link or "")
    return found[1] if found else None
