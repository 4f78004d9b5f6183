"""Downloads one release: streamed, hashed on the way, bounded in size and time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from .clock import Clock
from .directories import disk_errors
from .errors import GitHubRefused, GitHubUnavailable, PackageInvalid
from .releases import Release

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far and, where the server told it, the total."""

MAX_BYTES = 2 * 1024**3
TOTAL_SECONDS = 1800.0
_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 30.0
_MAX_REDIRECTS = 5
_CHUNK = 256 * 1024


def download(
    release: Release,
    target: Path,
    *,
    clock: Clock,
    progress: Progress | None = None,
    silence_seconds: float = _SILENCE_SECONDS,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Write the release to the new file ``target``, on disk and verified when this returns.

    Raises ``GitHubUnavailable`` (worth another try), ``GitHubRefused``, ``PackageInvalid`` or ``DiskFull``.
    """
    digest = hashlib.sha256()
    with disk_errors(target), target.open("xb") as file, _answer(release, silence_seconds) as response:
        for chunk in _chunks(response, release, clock=clock, progress=progress, max_bytes=max_bytes):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != release.sha256:
        raise PackageInvalid(
            f"{release.filename!r} has another checksum than GitHub says: {digest.hexdigest()}, not {release.sha256}",
            hint="Try again; if it stays, a proxy on the way may alter downloads",
        )


def _chunks(
    response: requests.Response, release: Release, *, clock: Clock, progress: Progress | None, max_bytes: int
) -> Iterator[bytes]:
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    _check_size(total or 0, release, max_bytes)
    deadline = clock.monotonic() + TOTAL_SECONDS
    received = 0
    # Not iter_content(): it would decode what a server labels "Content-Encoding: gzip", which is the archive itself.
    for chunk in response.raw.stream(_CHUNK, decode_content=False):
        received += len(chunk)
        _check_size(received, release, max_bytes)
        if clock.monotonic() > deadline:
            raise GitHubUnavailable(f"Downloading {release.filename!r} took longer than {TOTAL_SECONDS:.0f} s")
        yield chunk
        if progress is not None:
            progress(received, total)


def _check_size(size: int, release: Release, max_bytes: int) -> None:
    if size > max_bytes:
        raise PackageInvalid(f"{release.filename!r} is larger than {max_bytes} bytes")


@contextmanager
def _answer(release: Release, silence_seconds: float) -> Iterator[requests.Response]:
    """The 200 at the end of the redirects."""
    import requests
    import urllib3

    try:
        with requests.Session() as session, _follow(session, release, silence_seconds) as response:
            yield response
    except (requests.RequestException, urllib3.exceptions.HTTPError) as exc:
        # The text of the exception may hold a signed address.
        raise GitHubUnavailable(
            f"Downloading {release.filename!r} from {urlsplit(release.url).netloc!r} failed: {type(exc).__name__}",
            hint="Check the network and HTTPS_PROXY",
        ) from exc


def _follow(session: requests.Session, release: Release, silence_seconds: float) -> requests.Response:
    url = release.url
    for _ in range(_MAX_REDIRECTS + 1):
        token = release.temp_token if _origin(url) == _origin(release.url) else None
        response = session.get(
            url,
            stream=True,
            allow_redirects=False,
            timeout=(_CONNECT_SECONDS, silence_seconds),
            headers={"Accept-Encoding": "identity"},
            auth=_authorization(token),
        )
        if not response.is_redirect:
            _check_status(response.status_code, release)
            return response
        url = _next(url, response.headers["Location"], release)
        response.close()
    raise GitHubRefused(f"Downloading {release.filename!r} was redirected more than {_MAX_REDIRECTS} times")


def _authorization(token: str | None) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Also without a token: requests would otherwise send what ~/.netrc has for that host."""

    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    return authorize


def _next(url: str, location: str, release: Release) -> str:
    following = urljoin(url, location)
    scheme = urlsplit(following).scheme
    if scheme != "https" and scheme != urlsplit(url).scheme:
        raise GitHubRefused(f"Downloading {release.filename!r} was redirected to {scheme!r}")
    return following


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _check_status(status: int, release: Release) -> None:
    if status == 200:
        return
    message = f"Downloading {release.filename!r} from {urlsplit(release.url).netloc!r} was answered with HTTP {status}"
    if status == 429 or status >= 500:
        raise GitHubUnavailable(message)
    raise GitHubRefused(message)
