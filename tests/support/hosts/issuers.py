"""A host whose workflows show their tokens."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import requests

from runnerctl.sandbox import Sandbox
from tests.support.hosts.audited import audited
from tests.support.hosts.host import Host, Server

AUDIENCE = "https://runners.acme.example"
RULES = [
    {"match": {"repository": "acme/*", "ref": ["refs/heads/main", "refs/tags/v*"]}, "max_runners": 2},
    {"match": {"repository_owner": "ACME", "environment": "production"}, "scopes": ["runners:read"]},
    {
        "match": {"repository": "central/fleet", "job_workflow_ref": "central/*/.github/workflows/fleet.yml@*"},
        "repos": ["acme/*", "globex/site"],
        "labels": ["gpu-*"],
        "name_pattern": "fleet-*",
        "persistent": True,
    },
    {"match": {"repository": "umbrella/press"}},
]


class Hall(NamedTuple):
    """A server that lets workflows in, and their GitHub."""

    server: Server
    sandbox: Sandbox
    host: Host

    def token(self, repository: str = "acme/widgets", **claims: Any) -> str:
        return self.sandbox.oidc_token(repository, **{"audience": AUDIENCE, **claims})

    def ask(self, token: str, method: str = "GET", path: str = "/api/v1/whoami", body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{self.server.url}{path}", json=body, headers=headers, timeout=60)

    def create(self, token: str, name: str, **fields: Any) -> requests.Response:
        body = {"repo": "acme/widgets", "name": name, "labels": "linux", **fields}
        return self.ask(token, "POST", "/api/v1/runners", body)

    def audited(self) -> list[dict[str, Any]]:
        return audited(self.host.state_dir)


def settings(sandbox: Sandbox, rules: object = RULES) -> dict[str, str]:
    return {
        "RUNNERCTL_OIDC_ISSUER": sandbox.server_url,
        "RUNNERCTL_OIDC_AUDIENCE": AUDIENCE,
        "RUNNERCTL_OIDC_RULES": json.dumps(rules),
        "RUNNERCTL_TRUSTED_PROXIES": "127.0.0.1",
    }
