"""The calls with which a runner registers itself: GitHub's REST API, below ``/api/v3`` of the server."""

from __future__ import annotations

import time

from . import http1, jsontext
from .broker import user_agent
from .session import retry_seconds

TYPE_CHECKING = False  # importing typing would cost 15 ms
if TYPE_CHECKING:
    from typing import Any

    from .http1 import Answer

_TRIES = 3


class RegistrationFailed(Exception):
    """Said on stderr as it is; exit status 1."""


class Registration:
    """The scope named by ``url``, entered with a registration or removal token."""

    def __init__(self, url: str, token: str, *, event: str) -> None:
        scheme, authority, path = http1.split(url)
        # The real one drops the port here, so that it cannot register with a server on 127.0.0.1:PORT. Ours keeps it.
        self._base = f"{scheme}://{authority}/api/v3"
        self._scope = _scope_path(path.strip("/"))
        self._url = url
        content = {"url": url, "runner_event": event}
        answer = self._call("POST", "/actions/runner-registration", content, authorization=f"RemoteAuth {token}")
        self._bearer = f"Bearer {jsontext.loads(answer.body)['token']}"

    def group_id(self, name: str) -> int:
        """The id of the group of that name; of the default one when the name is empty."""
        answer = self._call("GET", f"{self._scope}/actions/runner-groups")
        for group in jsontext.loads(answer.body)["runner_groups"]:
            if (not name and group.get("default")) or (name and group["name"].lower() == name.lower()):
                return int(group["id"])
        raise RegistrationFailed(f'Could not find any self-hosted runner group named "{name or "Default"}".')

    def runner_id(self, name: str) -> int | None:
        answer = self._call("GET", f"{self._scope}/actions/runners?name={name}")
        runners = jsontext.loads(answer.body)["runners"]
        return next((int(each["id"]) for each in runners if each["name"].lower() == name.lower()), None)

    def register(self, content: dict[str, Any]) -> dict[str, Any]:
        answer = self._call("POST", "/actions/runners/register", {"url": self._url, **content})
        registered: dict[str, Any] = jsontext.loads(answer.body)
        return registered

    def delete(self, runner_id: str) -> None:
        self._call("DELETE", f"{self._scope}/actions/runners/{runner_id}")

    def _call(
        self, method: str, path: str, content: dict[str, Any] | None = None, *, authorization: str = ""
    ) -> Answer:
        """Three tries; a clear no is believed at once."""
        headers = {"User-Agent": user_agent(), "Authorization": authorization or self._bearer,
                   "Content-Type": "application/json"}  # fmt: skip
        body = b"" if content is None else jsontext.dumps(content).encode()
        for attempt in range(_TRIES):
            try:
                answer = http1.call(method, self._base + path, headers=headers, body=body)
                failure = f"Http response code: {answer.status} from '{method} {self._base}{path}'"
                if answer.ok:
                    return answer
                if answer.status < 500:
                    break
            except http1.Unreachable as exc:
                failure = str(exc)
            if attempt + 1 < _TRIES:
                time.sleep(retry_seconds(1 + 2 * attempt))
        raise RegistrationFailed(failure)


def _scope_path(path: str) -> str:
    parts = path.split("/")
    if len(parts) == 2 and parts[0] == "enterprises":
        return f"/enterprises/{parts[1]}"
    if len(parts) == 2:
        return f"/repos/{parts[0]}/{parts[1]}"
    if len(parts) == 1 and parts[0]:
        return f"/orgs/{parts[0]}"
    raise RegistrationFailed(f"Invalid runner url '{path}': it names no organisation and no repository")
