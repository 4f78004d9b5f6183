"""What all calls of the runner have in common: headers, JSON bodies, names of statuses, and second tries."""

from __future__ import annotations

import json
import os
import re
import time

from .. import pace
from ..release import VERSION
from . import http1
from .http1 import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_JSON = "application/json; charset=utf-8"
_ATTEMPTS = 5
_STATUS_NAMES = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound",
    407: "ProxyAuthenticationRequired", 409: "Conflict", 410: "Gone",
    422: "UnprocessableEntity", 429: "TooManyRequests", 500: "InternalServerError", 502: "BadGateway",
    503: "ServiceUnavailable", 504: "GatewayTimeout",
}  # fmt: skip


class Refused(Exception):
    """An answer that is a no, and may be another one next time."""


def headers(authorization: str = "", *, content_type: str = "") -> dict[str, str]:
    extra = os.environ.get("GITHUB_ACTIONS_RUNNER_EXTRA_USER_AGENT", "")
    described = {"User-Agent": f"GitHubActionsRunner-linux-x64/{VERSION} {extra}".rstrip(),
                 "Accept": "application/json"}  # fmt: skip
    if authorization:
        described["Authorization"] = authorization
    if content_type:
        described["Content-Type"] = content_type
    return described


def post(url: str, content: Any, *, authorization: str, timeout: float = 100.0) -> Answer:
    body = json.dumps(content, separators=(",", ":")).encode()
    described = headers(authorization, content_type=_JSON)
    return http1.call("POST", url, headers=described, body=body, timeout=timeout)


def status_name(status: int) -> str:
    """As .NET's enumeration prints it, which is what people read after "Error:"."""
    return _STATUS_NAMES.get(status, str(status))


def reason_phrase(status: int) -> str:
    """As it stands beside the number."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", status_name(status))


def retried(call: Callable[[], Any], *, final: tuple[type[Exception], ...] = ()) -> Any:
    """``call``, at most five times with 5 to 15 s in between (``RunnerService.RetryRequest``)."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return call()
        except final:
            raise
        except (Refused, http1.Unreachable):
            time.sleep(pace.backoff(5, 15))
    return call()
