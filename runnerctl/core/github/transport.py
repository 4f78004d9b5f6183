"""One request to GitHub and its answer, and what counts as an answer of GitHub's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

import msgspec

from ..domain.clock import Clock
from ..domain.errors import GitHubNoAnswer, GitHubRefused, GitHubUnavailable
from ..domain.meter import Meter
from ..http.client import HttpClient
from ..http.failures import HttpFailure
from .call_count import note_call
from .config import GitHubSettings
from .requests import Answer, Request

MAX_REDIRECTS = 3
MAX_BODY = 8 * 1024 * 1024
"""Some twenty times what a full page of runners needs."""
IDLE_LIMIT = 50.0
"""Kept connections are not trusted after this long: what a firewall forgot in between looks like a lost answer."""
_KEPT_CONNECTIONS = 64
_LEAST_SECONDS = 0.1
_REDIRECTS = frozenset({301, 302, 307, 308})


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """The budget as GitHub last told it."""

    limit: int
    remaining: int
    reset_at: float


class Transport:
    """Thread-safe. Raises ``GitHubUnavailable`` when the request never went out, ``GitHubNoAnswer`` when it did."""

    def __init__(self, settings: GitHubSettings, *, clock: Clock, meter: Meter | None = None) -> None:
        self._base = settings.api_url.rstrip("/") + "/"
        self._origin = _origin(urlsplit(self._base))
        self._clock = clock
        self._meter = meter or Meter()
        self._http = HttpClient(settings.http, user_agent=settings.user_agent, kept=_KEPT_CONNECTIONS)
        self._headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        self._lock = threading.Lock()
        self._in_flight = 0
        self._idle_since = clock.monotonic()
        self.calls = 0
        self.rate_limit: RateLimit | None = None

    def close(self) -> None:
        self._http.close()

    def exchange(self, request: Request, bearer: str | None, *, seconds: float) -> Answer:
        """Sends once, following redirects within the API's own origin: a redirected request was not carried out."""
        url = urljoin(self._base, request.path)
        if request.params:
            url = f"{url}?{urlencode(request.params)}"
        end = self._clock.monotonic() + seconds
        for _ in range(MAX_REDIRECTS + 1):
            self._check_origin(url, request)
            answer = self._send(request, url, bearer, max(end - self._clock.monotonic(), _LEAST_SECONDS))
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                self._check_genuine(request, answer)
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
                f"GitHub redirected to another server when asked to {request.purpose}",
                hint=f"Check GITHUB_API_URL, which is {self._base.rstrip('/')}",
            )

    def _check_genuine(self, request: Request, answer: Answer) -> None:
        """GitHub's API says JSON or nothing, errors included: a page is a portal's or a proxy's, and proves nothing.

        Above all a 200 or 404 of theirs does not prove that a registration is gone.
        """
        if answer.status >= 500 or answer.body.lstrip()[:1] in {b"", b"{", b"["}:
            return
        raise GitHubNoAnswer(
            f"GitHub was asked to {request.purpose} and something else answered: status {answer.status}, not JSON",
            hint="A portal or proxy may stand in between: check the network, HTTPS_PROXY and GITHUB_API_URL",
        )

    def _send(self, request: Request, url: str, bearer: str | None, seconds: float) -> Answer:
        headers = {**self._headers, **request.headers}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        content, began = None, self._clock.monotonic()
        if request.json is not None:
            content = msgspec.json.encode(request.json)
            headers["Content-Type"] = "application/json"
        try:
            with self._counted():
                got = self._http.send(
                    request.method, url, headers=headers, body=content, seconds=seconds, max_bytes=MAX_BODY
                )
        except HttpFailure as exc:
            self._meter.github_request(request.operation, None, self._clock.monotonic() - began)
            raise self._failure(request, exc) from exc
        self._meter.github_request(request.operation, got.status, self._clock.monotonic() - began)
        answer = Answer(status=got.status, headers=got.headers, body=got.body)
        self._note_rate_limit(answer)
        return answer

    @contextmanager
    def _counted(self) -> Iterator[None]:
        note_call()
        with self._lock:
            self.calls += 1
            if self._in_flight == 0 and self._clock.monotonic() - self._idle_since > IDLE_LIMIT:
                self._http.close()
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

    def _failure(self, request: Request, failure: HttpFailure) -> GitHubUnavailable:
        if failure.sent:
            return GitHubNoAnswer(f"GitHub gave no answer when asked to {request.purpose}: {failure.reason}")
        return GitHubUnavailable(
            f"GitHub cannot be reached at {self._base.rstrip('/')}: {failure.reason}",
            hint=failure.hint or "Check the network, HTTPS_PROXY and GITHUB_API_URL",
        )


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or {"https": 443, "http": 80}.get(url.scheme)
