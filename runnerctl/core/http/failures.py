"""Why no answer came, in our own words: the text of the libraries' exceptions may hold a proxy's password."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

import urllib3
from urllib3.exceptions import ProxyError

from runnerctl.supervisor import explaining

_BY_PROXY = re.compile(r"Tunnel connection failed: (\d{3})\b")


class HttpFailure(Exception):
    """No answer, or none to the end."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        """The other side may have got the request, and may have acted on it."""
        self.hint: str | None = None
        """What to do, where that is known."""


class ProxyRefused(HttpFailure):
    """A 407, and nothing came to the other side."""

    def __init__(self, address: str) -> None:
        said = explaining.proxy_refuses(address)
        super().__init__(said[0].lower() + said[1:], sent=False)
        self.hint = explaining.PROXY_HINT.capitalize().replace("https_proxy", "HTTPS_PROXY")


def reason(exc: BaseException) -> str:
    causes = list(_causes(exc))
    named = next((name for name in map(_named, causes) if name is not None), None)
    if named is not None:
        return named
    if timed_out(exc):
        return "timed out"
    if any(isinstance(cause, ProxyError) for cause in causes):
        return "its proxy failed"
    return "the connection was dropped"


def refused_by_proxy(exc: BaseException) -> bool:
    """The proxy wants another user and password, and built no tunnel."""
    found = (_BY_PROXY.match(str(cause)) for cause in _causes(exc) if isinstance(cause, OSError))
    return any(each is not None and each[1] == "407" for each in found)


def timed_out(exc: BaseException) -> bool:
    """Some clock struck: of the connecting, of the sending, or of the reading."""
    return any(isinstance(cause, urllib3.exceptions.TimeoutError | TimeoutError) for cause in _causes(exc))


def _named(cause: BaseException) -> str | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({cause.verify_message})"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed ({cause.reason or 'no reason given'})"
    if isinstance(cause, OSError) and (refused := _BY_PROXY.match(str(cause))):
        return f"the proxy answered with {refused[1]}"
    return cause.strerror if isinstance(cause, OSError) else None


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """The exception and what it wraps, outermost first; urllib3 keeps causes in ``args`` as well."""
    seen: set[int] = set()
    pending: list[object] = [exc]
    while pending:
        cause = pending.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        pending += [*cause.args, cause.__cause__, cause.__context__]
