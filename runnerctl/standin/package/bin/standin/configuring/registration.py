"""The calls with which a runner registers itself, as recorded: ``RemoteAuth`` throughout, and never a port.

``ConfigurationManager.cs`` and ``RunnerDotcomServer.cs`` build the API's address from scheme and *host* of ``--url``.
"""

from __future__ import annotations

import time

from .. import pace
from ..github import calls, http1
from ..host.terminal import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..github.http1 import Answer

_TRIES = 3


class RegistrationFailed(Exception):
    """Said on stderr as it is; exit status 1."""


class Registration:
    """The scope named by ``url``, entered with a registration or removal token."""

    def __init__(self, url: str, token: str) -> None:
        scheme, authority, path = http1.split(url)
        self._base = f"{scheme}://{host(authority)}/api/v3"
        self._scope = _scope_path(path.strip("/"))
        self._url = url
        self._authority = authority
        self._token = token
        self.tenant_url = ""

    def enter(self) -> None:
        """Ask for the tenant; its address must be on the same server (GHES is checked so)."""
        content = {"url": self._url, "runner_event": "register"}
        tenant = self._call("POST", "/actions/runner-registration", content)
        there = http1.split(str(tenant.get("url")))[1]
        if there != self._authority and not there.endswith(f".{self._authority}"):
            raise RegistrationFailed(
                f"GitHub Actions is not properly configured in GHES. GHES url: {self._url}, "
                f"Actions url: {tenant.get('url')}."
            )
        if not tenant.get("use_v2_flow"):
            raise RegistrationFailed("The stand-in runner knows the runner admin flow only (use_v2_flow).")
        self.tenant_url = str(tenant["url"])

    def group(self, name: str) -> dict[str, Any]:
        """The self-hosted group of that name; the default one when the name is empty."""
        groups: list[dict[str, Any]] = self._call("GET", f"{self._scope}/actions/runner-groups")["runner_groups"]
        name = name or next((str(each["name"]) for each in groups if each.get("default")), "")
        for each in groups:
            if str(each["name"]).lower() == name.lower() and not each.get("is_hosted"):
                return each
        raise RegistrationFailed(f'Could not find any self-hosted runner group named "{name}".')

    def runner_id(self, name: str) -> int | None:
        runners = self._call("GET", f"{self._scope}/actions/runners?name={_escaped(name)}")["runners"]
        return int(runners[0]["id"]) if runners else None

    def register(self, content: dict[str, Any]) -> dict[str, Any]:
        return self._call("POST", "/actions/runners/register", {"url": self._url, **content})

    def delete(self, runner_id: str) -> None:
        self._call("DELETE", f"{self._scope}/actions/runners/{runner_id}")

    def _call(self, method: str, path: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """Three tries, 1 to 5 s apart; only a 404 is believed at once."""
        failure = ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(pace.backoff(1, 5))
            try:
                answer = self._ask(method, path, content)
            except http1.Unreachable as exc:
                failure = str(exc)
                continue
            if answer.ok:
                return answer.json() or {}
            name = calls.status_name(answer.status)
            complain(f"Http response code: {name} from '{method} {self._base}{path}' (Request Id: )")
            complain(answer.body.decode("utf-8", "replace"))
            failure = f"Response status code does not indicate success: {answer.status} ({name})."
            if answer.status == 404:
                break
        raise RegistrationFailed(failure)

    def _ask(self, method: str, path: str, content: dict[str, Any] | None) -> Answer:
        authorization = f"RemoteAuth {self._token}"
        if content is not None:
            return calls.post(self._base + path, content, authorization=authorization)
        return http1.call(method, self._base + path, headers=calls.headers(authorization))


def host(authority: str) -> str:
    """Without the port."""
    name, colon, port = authority.rpartition(":")
    return name if colon and port.isdigit() else authority


def _escaped(text: str) -> str:
    """As ``Uri.EscapeDataString``."""
    kept = "-_.~"
    return "".join(
        chr(each) if (chr(each).isalnum() and each < 128) or chr(each) in kept else f"%{each:02X}"
        for each in text.encode()
    )


def _scope_path(path: str) -> str:
    parts = path.split("/")
    if len(parts) == 2 and parts[0] == "enterprises":
        return f"/enterprises/{parts[1]}"
    if len(parts) == 2:
        return f"/repos/{parts[0]}/{parts[1]}"
    if len(parts) == 1 and parts[0]:
        return f"/orgs/{parts[0]}"
    raise RegistrationFailed(f"'{path}' should point to an org or enterprise.")
