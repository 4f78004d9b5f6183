"""A registration as config.sh makes it: by hand, call by call."""

from __future__ import annotations

import json
from typing import Any

import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from runnerctl.sandbox import Sandbox
from tests.support.sandboxes.listener import JSON, VERSION, Listener, public_key_xml, rest


class Configuring:
    """What config.sh does with a token."""

    def __init__(self, sandbox: Sandbox, scope: str, key: RSAPrivateKey, token_kind: str = "registration") -> None:
        self.sandbox = sandbox
        self.scope = scope
        self.url = f"{sandbox.server_url}/{scope.partition('/')[2]}"
        self.key = key
        self.token = rest(sandbox, "POST", f"/{scope}/actions/runners/{token_kind}-token").json()["token"]

    def begin(self, event: str = "register") -> requests.Response:
        return self.call("POST", "/actions/runner-registration", {"url": self.url, "runner_event": event})

    def register(self, labels: tuple[str, ...] = ("self-hosted",), **fields: Any) -> requests.Response:
        body = {"url": self.url, "group_id": 1, "name": "p1", "version": VERSION, "updates_disabled": True}
        label_objects = [{"id": 0, "name": label, "type": "user"} for label in labels]
        body |= {"ephemeral": False, "labels": label_objects, "public_key": public_key_xml(self.key), **fields}
        return self.call("POST", "/actions/runners/register", body)

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {**(JSON if body is not None else {}), "Authorization": f"RemoteAuth {self.token}"}
        headers["User-Agent"] = f"GitHubActionsRunner-linux-x64/{VERSION}"
        content = None if body is None else json.dumps(body)
        return requests.request(method, self.sandbox.api_url + path, data=content, headers=headers, timeout=10)


def listener_of(made: dict[str, Any], key: RSAPrivateKey) -> Listener:
    authorization = made["authorization"]
    settings = {"agentId": made["id"], "agentName": made["name"], "serverUrlV2": authorization["server_url"]}
    data = {"ClientId": authorization["client_id"], "AuthorizationUrl": authorization["authorization_url"]}
    return Listener({".runner": settings, ".credentials": {"Data": data}}, key)


def persistent(sandbox: Sandbox, labels: tuple[str, ...] = ("x",)) -> Listener:
    """A runner that stays, connected."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return listener_of(Configuring(sandbox, "repos/o/r", key).register(labels).json(), key).connect()
