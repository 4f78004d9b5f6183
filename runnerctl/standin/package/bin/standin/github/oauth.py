"""Access tokens for client assertions: one source per connection, as the real one makes them."""

from __future__ import annotations

import time

from . import calls, http1, rsa

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..identity import Identity

_ASSERTION = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"


class InvalidClient(calls.Refused):
    """The registration is gone: nobody knows this client."""


class TokenRefused(calls.Refused):
    """The token service said no for another reason."""


class TokenSource:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._token = ""
        self._ends = 0.0

    def bearer(self) -> str:
        """The ``Authorization`` of a call; asks for a token when there is none that lasts."""
        if not self._token or time.monotonic() > self._ends:
            self._ask()
        return f"Bearer {self._token}"

    def forget(self) -> None:
        self._token = ""

    def _ask(self) -> None:
        runner = self._identity
        assertion = rsa.client_assertion(
            runner.key, client_id=runner.client_id, audience=runner.authorization_url, fips=runner.fips
        )
        form = (f"grant_type=client_credentials&client_assertion_type={_ASSERTION}"
                f"&client_assertion={assertion}").encode()  # fmt: skip
        described = calls.headers(content_type="application/x-www-form-urlencoded")
        answer = http1.call("POST", runner.authorization_url, headers=described, body=form)
        content = answer.json()
        if not isinstance(content, dict):
            content = {}
        if content.get("error") == "invalid_client":
            raise InvalidClient(str(content.get("error_description") or "invalid_client"))
        if not answer.ok or "access_token" not in content:
            raise TokenRefused(str(content.get("error_description") or f"Error: {calls.status_name(answer.status)}"))
        self._token = str(content["access_token"])
        self._ends = time.monotonic() + float(content.get("expires_in") or 3000)
