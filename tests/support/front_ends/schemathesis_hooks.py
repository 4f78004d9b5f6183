"""What schemathesis does before each call (``SCHEMATHESIS_HOOKS``). Nothing else of what it makes up is spared us.

No stream is followed: it ends with its runner, and the client waits for its end. Each call comes from an address of its
own, as a trusted proxy tells it: after a failed login, the next one from there is answered two seconds later.
"""

from __future__ import annotations

import itertools
from typing import Any

import requests
import schemathesis

_calls = itertools.count(1)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    if case.query and str(case.query.get("follow")).lower() in {"true", "", "1", "yes"}:
        case.query["follow"] = False
    kwargs["auth"] = _from_elsewhere


def _from_elsewhere(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Of the call that is sent, not of the case: a header that a case has is a part of what is tried."""
    call = next(_calls)
    request.headers["X-Forwarded-For"] = f"10.{call >> 16 & 255}.{call >> 8 & 255}.{call & 255}"
    return request
