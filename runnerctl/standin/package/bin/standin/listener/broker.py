"""The Listener's calls to the broker: session, messages, acknowledgements."""

from __future__ import annotations

import json
import os

from .. import guid
from ..github import calls, http1
from ..github.http1 import Answer, Exchange
from ..github.oauth import TokenSource
from ..host.runtime import architecture
from ..release import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..identity import Identity

_POLL_SECONDS = 100.0  # the server answers within 50
_SOURCE = "actions-broker-listener"


class RunnerNotFound(Exception):
    """The server does not know this runner any more."""


class VersionTooOld(Exception):
    """The server sends no job to this release."""


class SessionConflict(Exception):
    """Another process holds the session of this runner."""


class SessionInvalid(Exception):
    """The session is over; another one may be had."""


class Denied(Exception):
    """No, and for good."""


class Deprovisioned(Exception):
    """The server took a hosted runner back."""


class JobGone(Exception):
    """What was to be acknowledged is not there any more."""


_KINDS = {
    "RunnerNotFound": RunnerNotFound, "RunnerVersionTooOld": VersionTooOld, "RunnerSessionInvalid": SessionInvalid,
    "HostedRunnerDeprovisioned": Deprovisioned,
}  # fmt: skip


class Broker:
    """One runner's session. Calls raise ``http1.Unreachable``, ``calls.Refused`` or one of the exceptions above."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._tokens = TokenSource(identity)
        self.session_id = ""

    def connect(self) -> None:
        """A connection of its own, hence a token of its own.

        Where the tenant's address and the broker's differ, the tenant is asked for version 1 of the protocol, too.
        """
        self._tokens = TokenSource(self._identity)
        tenant = self._identity.server_url
        if tenant and tenant.lower() != self._identity.broker_url.lower():
            answer = http1.call("GET", f"{tenant.rstrip('/')}/_apis/connectionData", headers=calls.headers())
            if not answer.ok:
                raise calls.Refused(f"Error: {calls.status_name(answer.status)}")

    def open_session(self) -> None:
        agent = {"id": _number(self._identity.agent_id), "name": self._identity.name, "version": VERSION,
                 "osDescription": _os_description(), "ephemeral": None, "status": 0,
                 "provisioningState": None}  # fmt: skip
        content = {"sessionId": guid.EMPTY, "ownerName": f"{os.uname().nodename} (PID: {os.getpid()})",
                   "agent": agent, "useFipsEncryption": False}  # fmt: skip
        answer = calls.post(f"{self._identity.broker_url}session", content, authorization=self._tokens.bearer())
        self.session_id = str(_session(answer)["sessionId"])

    def ask_for_message(self, *, busy: bool) -> Exchange:
        """Begin a long poll; whoever waits for it hands its answer to ``message``."""
        update = str(self._identity.disable_update).lower()
        url = f"{self._identity.broker_url}message?{self._query(busy=busy)}&disableUpdate={update}"
        return Exchange("GET", url, headers=calls.headers(self._tokens.bearer()), timeout=_POLL_SECONDS)

    def message(self, answer: Answer) -> dict[str, Any] | None:
        """What a long poll brought; None if there is nothing for us."""
        if not answer.ok:
            self._refuse(answer)
        content = answer.json()
        if not isinstance(content, dict):
            return None
        return {**content, "body": json.loads(content.get("body") or "{}")}

    def acknowledge(self, request_id: str) -> None:
        url = f"{self._identity.broker_url}acknowledge?{self._query(busy=False)}"
        content = {"runnerRequestId": request_id}
        answer = calls.post(url, content, authorization=self._tokens.bearer(), timeout=5.0)
        if _kind(answer) == "AcknowledgeJobNotFound":
            raise JobGone(_said(answer))
        if not answer.ok:
            raise calls.Refused(f"acknowledge: {calls.status_name(answer.status)}")

    def close_session(self) -> None:
        """Without a query: the session is the one of the token."""
        described = calls.headers(self._tokens.bearer())
        http1.call("DELETE", f"{self._identity.broker_url}session", headers=described)

    def _query(self, *, busy: bool) -> str:
        return (f"sessionId={self.session_id}&status={'Busy' if busy else 'Online'}&runnerVersion={VERSION}"
                f"&os=Linux&architecture={architecture()}")  # fmt: skip

    def _refuse(self, answer: Answer) -> None:
        kind = _KINDS.get(_kind(answer))
        if kind is not None:
            raise kind(_said(answer))
        name = calls.status_name(answer.status)
        if answer.status == 401:
            self._tokens.forget()
            raise Denied(f"Error: {name}")
        raise calls.Refused(
            f"Failed to get job message. Request to {self._identity.broker_url}message failed with status: {name}. "
            f"Error message Error: {name}"
        )


def _session(answer: Answer) -> dict[str, Any]:
    name = calls.status_name(answer.status)
    if answer.status == 409:
        raise SessionConflict(f"Error: {name}")
    if answer.status in (401, 403):
        raise Denied(f"Error: {name}")
    content = answer.json()
    if not answer.ok or not isinstance(content, dict):
        raise calls.Refused(f"Failed to create broker session: Error: {name}")
    return content


def _kind(answer: Answer) -> str:
    content = None if answer.ok else answer.json()
    if isinstance(content, dict) and content.get("source") == _SOURCE:
        return str(content.get("errorKind"))
    return ""


def _said(answer: Answer) -> str:
    content = answer.json()
    return str(content.get("errorMessage") or "") if isinstance(content, dict) else ""


def _number(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _os_description() -> str:
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            named = [line.rstrip("\n") for line in file if line.startswith("PRETTY_NAME=")]
    except OSError:
        named = []
    return named[0].partition("=")[2].strip("\"'") if named else "Linux"
