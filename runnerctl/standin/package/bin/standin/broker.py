"""The Listener's half of the broker protocol: token, session, messages."""

from __future__ import annotations

import os
import time

from . import http1, jsontext, rsa
from .http1 import Answer, Exchange
from .release import VERSION

TYPE_CHECKING = False  # importing typing would cost 15 ms
if TYPE_CHECKING:
    from typing import Any

    from .identity import Identity

_POLL_SECONDS = 100.0  # the server answers within 50
_NEW_SESSION = "00000000-0000-0000-0000-000000000000"


class RegistrationDeleted(Exception):
    """The server does not know this runner any more."""


class VersionTooOld(Exception):
    """The server sends no job to this release."""


class SessionConflict(Exception):
    """Another process holds the session of this runner."""


class SessionLost(Exception):
    """The session, or the token it was opened with, is over; another one may be had."""


class Refused(Exception):
    """The server said no, for good."""


class ServerFailed(Exception):
    """An answer that may be another one next time."""


class Broker:
    """One runner's session. Every call raises ``http1.Unreachable`` or one of the exceptions above."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._token_ends = 0.0
        self.access_token = ""
        self.session_id = ""

    def log_on(self) -> None:
        identity = self._identity
        assertion = rsa.client_assertion(
            identity.key, client_id=identity.client_id, audience=identity.authorization_url
        )
        kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
        form = f"grant_type=client_credentials&client_assertion_type={kind}&client_assertion={assertion}"
        headers = {"User-Agent": user_agent(), "Content-Type": "application/x-www-form-urlencoded"}
        answer = http1.call("POST", identity.authorization_url, headers=headers, body=form.encode())
        if answer.status == 400 and _member(answer, "error") == "invalid_client":
            raise RegistrationDeleted
        _require_ok(answer)
        content = jsontext.loads(answer.body)
        self.access_token = content["access_token"]
        self._token_ends = time.monotonic() + 0.8 * float(content.get("expires_in", 3000))

    def forget_token(self) -> None:
        """The next poll gets a new one."""
        self._token_ends = 0.0

    def open_session(self) -> None:
        agent = {"id": self._identity.agent_id, "name": self._identity.name, "version": VERSION,
                 "osDescription": " ".join(os.uname()[::2])}  # fmt: skip
        content = {"sessionId": _NEW_SESSION, "ownerName": os.uname().nodename, "agent": agent}
        answer = self._post("session", content)
        if answer.status == 409:
            raise SessionConflict("A session for this runner already exists.")
        _require_ok(answer)
        self.session_id = jsontext.loads(answer.body)["sessionId"]

    def ask_for_message(self, *, busy: bool) -> Exchange:
        """Begin a long poll; whoever waits for it hands its answer to ``message``."""
        if time.monotonic() > self._token_ends:
            self.log_on()
        disable_update = str(self._identity.disable_update).lower()
        query = f"sessionId={self.session_id}&status={'Busy' if busy else 'Online'}&runnerVersion={VERSION}"
        url = f"{self._identity.broker_url}message?{query}&os=Linux&architecture=X64&disableUpdate={disable_update}"
        return Exchange("GET", url, headers=authorized(self.access_token), timeout=_POLL_SECONDS)

    def acknowledge(self, request_id: str) -> None:
        _require_ok(self._post(f"acknowledge?sessionId={self.session_id}", {"runnerRequestId": request_id}))

    def close_session(self) -> None:
        url = f"{self._identity.broker_url}session?sessionId={self.session_id}"
        http1.call("DELETE", url, headers=authorized(self.access_token))

    def _post(self, what: str, content: dict[str, Any]) -> Answer:
        headers = authorized(self.access_token)
        body = jsontext.dumps(content).encode()
        return http1.call("POST", self._identity.broker_url + what, headers=headers, body=body)


def message(answer: Answer) -> dict[str, Any] | None:
    """What a long poll brought; None if there is nothing for us."""
    _require_ok(answer)
    if not answer.body:
        return None
    content: dict[str, Any] = jsontext.loads(answer.body)
    content["body"] = jsontext.loads(content.get("body") or "{}")
    return content


def authorized(token: str) -> dict[str, str]:
    return {"User-Agent": user_agent(), "Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def user_agent() -> str:
    extra = os.environ.get("GITHUB_ACTIONS_RUNNER_EXTRA_USER_AGENT", "")
    return f"GitHubActionsRunner-linux-x64/{VERSION} {extra}".rstrip()


def _require_ok(answer: Answer) -> None:
    if answer.ok:
        return
    kind = _member(answer, "errorKind")
    said = _member(answer, "errorMessage") or f"Http response code: {answer.status}"
    if kind == "RunnerVersionTooOld":
        raise VersionTooOld(f"Runner version v{VERSION} is deprecated and cannot receive messages.")
    if kind == "RunnerNotFound":
        raise RegistrationDeleted(said)
    if kind == "RunnerSessionInvalid" or answer.status == 401:
        raise SessionLost(said)
    if answer.status == 403:
        raise Refused(said)
    raise ServerFailed(said)


def _member(answer: Answer, name: str) -> str:
    try:
        return str(jsontext.loads(answer.body).get(name, ""))
    except (ValueError, AttributeError):
        return ""
