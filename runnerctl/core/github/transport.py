"""One request to GitHub and its answer, over shared connections of ``requests``.

What requests does per call and we need once (proxies and certificates from the environment) is done once; what it
does and we must not have (.netrc, cookies, redirects to other hosts) is left out by using its adapter directly.
"""

from __future__ import annotations

import io
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectTimeout, InvalidSchema, InvalidURL, MissingSchema, ProxyError, ReadTimeout
from requests.utils import get_environ_proxies
from urllib3.exceptions import MaxRetryError, NewConnectionError

from ..domain.clock import Clock
from ..domain.errors import ConfigInvalid, GitHubNoAnswer, GitHubRefused, GitHubUnavailable
from .config import GitHubSettings
from .requests import Answer, Request

MAX_REDIRECTS = 3
MAX_BODY = 32 * 1024 * 1024
IDLE_LIMIT = 50.0
"""Kept connections are not trusted after this long: what a firewall forgot in between looks like a lost answer."""
_REDIRECTS = frozenset({301, 302, 307, 308})


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """The budget as GitHub last told it."""

    limit: int
    remaining: int
    reset_at: float


class _WatchedBody(io.BytesIO):
    """Knows whether its sending has begun: before that, GitHub cannot have acted on it."""

    begun = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.begun = True
        return super().read(size)


class Transport:
    """Thread-safe. Raises ``GitHubUnavailable`` when the request never went out, ``GitHubNoAnswer`` when it did."""

    def __init__(self, settings: GitHubSettings, *, clock: Clock) -> None:
        self._base = settings.api_url.rstrip("/") + "/"
        self._origin = _origin(urlsplit(self._base))
        self._clock = clock
        self._read_timeout = settings.read_timeout
        self._timeout = (settings.connect_timeout, settings.read_timeout)
        self._adapter = HTTPAdapter(pool_connections=2, pool_maxsize=64, max_retries=0)
        self._proxies = get_environ_proxies(self._base)
        self._verify = _certificates() if self._base.startswith("https:") else True
        self._headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": settings.user_agent,
            "Accept-Encoding": "gzip, deflate",
        }
        self._lock = threading.Lock()
        self._in_flight = 0
        self._idle_since = clock.monotonic()
        self.calls = 0
        self.rate_limit: RateLimit | None = None

    def close(self) -> None:
        self._adapter.close()

    def exchange(self, request: Request, bearer: str | None) -> Answer:
        """Sends once, following redirects within the API's own origin: a redirected request was not carried out."""
        url = urljoin(self._base, request.path)
        if request.params:
            url = f"{url}?{urlencode(request.params)}"
        for _ in range(MAX_REDIRECTS + 1):
            self._check_origin(url, request)
            answer = self._send(request, url, bearer)
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                return answer
            url = urljoin(url, answer.headers["location"])
        raise GitHubRefused(f"GitHub redirected more than {MAX_REDIRECTS} times when asked to {request.purpose}")

    def _check_origin(self, url: str, request: Request) -> None:
        """The credentials go to GitHub and nowhere else."""
        try:
            origin = _origin(urlsplit(url))
        except ValueError:
            origin = None
        if origin != self._origin:
            raise GitHubRefused(
                f"GitHub pointed to another server when asked to {request.purpose}",
                hint=f"Check GITHUB_API_URL, which is {self._base.rstrip('/')}",
            )

    def _send(self, request: Request, url: str, bearer: str | None) -> Answer:
        headers = {**self._headers, **request.headers}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        content = None
        if request.json is not None:
            content = msgspec.json.encode(request.json)
            headers["Content-Type"] = "application/json"
        # Not by way of a session: that would look into .netrc for this host.
        prepared = requests.Request(request.method, url, headers=headers, data=content).prepare()
        body = None if content is None else _WatchedBody(content)
        if body is not None:
            prepared.body = body  # type: ignore[assignment]  # requests sends what can be read
        try:
            with self._counted():
                return self._receive(prepared)
        except (InvalidURL, InvalidSchema, MissingSchema) as exc:
            raise ConfigInvalid(
                f"GitHub at {self._base} cannot be used: its address or its proxy's is not valid",
                hint="Check GITHUB_API_URL and HTTPS_PROXY",
            ) from exc
        except (requests.RequestException, OSError) as exc:
            raise self._failure(request, exc, sent=_may_be_sent(exc, body)) from exc

    def _receive(self, prepared: requests.PreparedRequest) -> Answer:
        deadline = self._clock.monotonic() + 2 * self._read_timeout
        response = self._adapter.send(
            prepared, stream=True, timeout=self._timeout, verify=self._verify, proxies=self._proxies
        )
        try:
            chunks, size = [], 0
            for chunk in response.iter_content(65536):
                chunks.append(chunk)
                size += len(chunk)
                # The socket's own timeout is per read: an answer that drips in would hold us for ever.
                if size > MAX_BODY or self._clock.monotonic() > deadline:
                    raise ReadTimeout("the answer is too long or too slow")
        finally:
            response.close()
        answer = Answer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=b"".join(chunks),
        )
        self._note_rate_limit(answer)
        return answer

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self.calls += 1
            if self._in_flight == 0 and self._clock.monotonic() - self._idle_since > IDLE_LIMIT:
                self._adapter.close()
            self._in_flight += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1
                self._idle_since = self._clock.monotonic()

    def _note_rate_limit(self, answer: Answer) -> None:
        limit, remaining, reset = (answer.headers.get(f"x-ratelimit-{k}", "") for k in ("limit", "remaining", "reset"))
        if limit.isdecimal() and remaining.isdecimal() and reset.isdecimal():
            self.rate_limit = RateLimit(limit=int(limit), remaining=int(remaining), reset_at=float(reset))

    def _failure(self, request: Request, exc: Exception, *, sent: bool) -> GitHubUnavailable:
        if sent:
            return GitHubNoAnswer(f"GitHub gave no answer when asked to {request.purpose}: {_reason(exc)}")
        return GitHubUnavailable(
            f"GitHub cannot be reached at {self._base.rstrip('/')}: {_reason(exc)}",
            hint="Check the network, HTTPS_PROXY and GITHUB_API_URL",
        )


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or {"https": 443, "http": 80}.get(url.scheme)


def _certificates() -> bool | str:
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        path = os.environ.get(variable)
        if path and not Path(path).exists():
            raise ConfigInvalid(f"{variable} names {path!r}, which does not exist")
        if path:
            return path
    return True


def _may_be_sent(exc: Exception, body: _WatchedBody | None) -> bool:
    """Only what is certain counts as not sent: a lost answer must be looked into, a wasted look costs little."""
    if body is not None:
        return body.begun
    if isinstance(exc, (ConnectTimeout, ProxyError, requests.exceptions.SSLError)):
        return False
    return not any(isinstance(cause, NewConnectionError) for cause in _causes(exc))


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """The exception and what it wraps, outermost first. requests and urllib3 keep causes in ``args`` and ``reason``."""
    seen: set[int] = set()
    pending: list[object] = [exc]
    while pending:
        cause = pending.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = cause.reason if isinstance(cause, MaxRetryError) else None
        pending += [inner, *cause.args, cause.__cause__, cause.__context__]


def _reason(exc: Exception) -> str:
    """Our own words: the text of these exceptions may hold a proxy's password."""
    for cause in _causes(exc):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed ({cause.reason or 'no reason given'})"
        if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException) and cause.strerror:
            return cause.strerror
    if isinstance(exc, requests.Timeout):
        return "timed out"
    if isinstance(exc, ProxyError):
        return "its proxy failed"
    return "the connection was dropped"
