"""Runner groups of an organization. There are two, and they cannot be changed."""

from __future__ import annotations

from typing import Any

from ..runners import Group, group_of, groups_of
from ..state import GitHub
from ..tokens import TokenKind
from .routes import Access, Answer, Ask, Refusal, Route, paged


def list_groups(github: GitHub, ask: Ask) -> Answer:
    groups = groups_of(ask.scope)
    page, headers = paged(ask, groups)
    body = {"total_count": len(groups), "runner_groups": [_group(github, ask, group) for group in page]}
    return Answer(body=body, headers=headers)


def get_group(github: GitHub, ask: Ask) -> Answer:
    group = group_of(ask.scope, ask.number("runner_group_id"))
    if group is None:
        raise Refusal(404)
    return Answer(body=_group(github, ask, group))


def _group(github: GitHub, ask: Ask, group: Group) -> dict[str, Any]:
    url = f"{github.api_url}{ask.scope.path}/actions/runner-groups/{group.id}"
    return {
        "id": group.id,
        "name": group.name,
        "visibility": "all",
        "default": group.default,
        "is_hosted": False,
        "runners_url": f"{url}/runners",
        "hosted_runners_url": f"{url}/hosted-runners",
        "inherited": False,
        "allows_public_repositories": False,
        "restricted_to_workflows": False,
        "selected_workflows": [],
        "workflow_restrictions_read_only": False,
    }


_DOCS = "actions/self-hosted-runner-groups"
_PERMISSION = "organization_self_hosted_runners"

ROUTES = (
    Route(
        method="GET",
        path="/orgs/{org}/actions/runner-groups",
        handler=list_groups,
        docs=_DOCS,
        permission=_PERMISSION,
        for_config=TokenKind.REGISTRATION,
    ),
    Route(
        method="GET",
        path="/orgs/{org}/actions/runner-groups/{runner_group_id}",
        handler=get_group,
        docs=_DOCS,
        permission=_PERMISSION,
    ),
    # Only config.sh knows this one: repositories have no groups in the published API.
    Route(
        method="GET",
        path="/repos/{owner}/{repo}/actions/runner-groups",
        handler=list_groups,
        docs=_DOCS,
        access=Access.REMOTE_AUTH,
    ),
)
