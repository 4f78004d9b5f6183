"""What is done before each of schemathesis' calls (``SCHEMATHESIS_HOOKS``). Nothing else that it makes up is spared us.

No stream is followed: it ends with its runner, and the client waits for its end. Each request comes from an address of
its own, as a trusted proxy tells it: after a failed login, the next one from there is answered two seconds later.
"""

from __future__ import annotations

import itertools
from typing import Any

import requests
import schemathesis

_requests = itertools.count(1)
_send = requests.Session.send


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    if case.query and str(case.query.get("follow")).lower() in {"true", "", "1", "yes"}:
        case.query["follow"] = False


def _from_elsewhere(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
    """Not by a header of the case, which is a part of what is tried; and for those that checks send, too."""
    number = next(_requests)
    request.headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return _send(self, request, **options)


requests.Session.send = _from_elsewhere  # type: ignore[method-assign]
