"""Downloads one release: streamed, hashed on the way, bounded in size and time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urljoin, urlsplit

from ..domain.clock import Clock
from ..domain.errors import GitHubRefused, GitHubUnavailable, PackageInvalid
from ..host.directories import disk_errors
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
_PARTIAL = 206
_RANGE_REFUSED = 416


def download(
    release: Release,
    target: Path,
    *,
    clock: Clock,
    progress: Progress | None = None,
    silence_seconds: float = _SILENCE_SECONDS,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Write the release to the file ``target``, on disk and verified when this returns.

    What an interrupted download left in ``target`` is continued where the server can do that. Raises
    ``GitHubUnavailable`` (worth another try, which may go on from there), ``GitHubRefused``, ``PackageInvalid`` or
    ``DiskFull``.
    """
    with disk_errors(target), target.open("a+b") as file:
        fetch = _Fetch(release, file, clock=clock, progress=progress, silence_seconds=silence_seconds, most=max_bytes)
        if fetch.resume() or (not fetch.whole and fetch.restart()):
            os.fsync(file.fileno())
            return
    raise PackageInvalid(
        f"{release.filename!r} has another checksum than GitHub says: {fetch.digest}, not {release.sha256}",
        hint="Try again; if it stays, a proxy on the way may alter downloads",
    )


class _Fetch:
    """One archive on its way into a file that may hold its beginning."""

    def __init__(
        self,
        release: Release,
        file: BinaryIO,
        *,
        clock: Clock,
        progress: Progress | None,
        silence_seconds: float,
        most: int,
    ) -> None:
        self._release = release
        self._file = file
        self._clock = clock
        self._progress = progress
        self._silence = silence_seconds
        self._most = most
        self._hash = hashlib.sha256()
        self.whole = False
        """The server sent it from its first byte on."""

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def resume(self) -> bool:
        """The rest after what is there; True if the whole is right. Nothing there, or no way to go on: False."""
        self._file.seek(0)
        self._hash = hashlib.sha256()
        there = 0
        while block := self._file.read(_CHUNK):
            self._hash.update(block)
            there += len(block)
        if there == 0:
            return False
        return self.digest == self._release.sha256 or self._receive(there)

    def restart(self) -> bool:
        """The whole from its first byte; True if it is right."""
        return self._receive(0)

    def _receive(self, start: int) -> bool:
        with _answer(self._release, self._silence, start) as response:
            if response.status_code == _RANGE_REFUSED:
                return False
            if response.status_code != _PARTIAL:
                self.whole = True
                self._begin_anew()
                start = 0
            for chunk in self._chunks(response, start):
                self._hash.update(chunk)
                self._file.write(chunk)
        self._file.flush()
        return self.digest == self._release.sha256

    def _begin_anew(self) -> None:
        self._file.truncate(0)
        self._hash = hashlib.sha256()

    def _chunks(self, response: requests.Response, start: int) -> Iterator[bytes]:
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        _check_size(total or 0, self._release, self._most)
        deadline = self._clock.monotonic() + TOTAL_SECONDS
        received = start
        # Not iter_content(): it would decode what a server labels "Content-Encoding: gzip": the archive itself.
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            received += len(chunk)
            _check_size(received, self._release, self._most)
            if self._clock.monotonic() > deadline:
                raise GitHubUnavailable(
                    f"Downloading {self._release.filename!r} took longer than {TOTAL_SECONDS:.0f} s"
                )
            yield chunk
            if self._progress is not None:
                self._progress(received, total)


def _check_size(size: int, release: Release, max_bytes: int) -> None:
    if size > max_bytes:
        raise PackageInvalid(f"{release.filename!r} is larger than {max_bytes} bytes")


@contextmanager
def _answer(release: Release, silence_seconds: float, start: int) -> Iterator[requests.Response]:
    """The 200 at the end of the redirects; for a ``start`` beyond 0 also a 206 from there on, or a 416."""
    import requests
    import urllib3

    try:
        with requests.Session() as session, _follow(session, release, silence_seconds, start) as response:
            yield response
    except (requests.RequestException, urllib3.exceptions.HTTPError) as exc:
        # The text of the exception may hold a signed address.
        raise GitHubUnavailable(
            f"Downloading {release.filename!r} from {_host(release.url)!r} failed: {type(exc).__name__}",
            hint="Check the network and HTTPS_PROXY",
        ) from exc


def _follow(session: requests.Session, release: Release, silence_seconds: float, start: int) -> requests.Response:
    url = release.url
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
    for _ in range(_MAX_REDIRECTS + 1):
        token = release.temp_token if _origin(url) == _origin(release.url) else None
        response = session.get(
            url,
            stream=True,
            allow_redirects=False,
            timeout=(_CONNECT_SECONDS, silence_seconds),
            headers=headers,
            auth=_authorization(token),
        )
        if not response.is_redirect:
            _check_status(response, release, start)
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


def _check_status(response: requests.Response, release: Release, start: int) -> None:
    status = response.status_code
    continued = status == _PARTIAL and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
    if status == 200 or (start and (continued or status == _RANGE_REFUSED)):
        return
    message = f"Downloading {release.filename!r} from {_host(release.url)!r} was answered with HTTP {status}"
    if status == 429 or status >= 500:
        raise GitHubUnavailable(message)
    raise GitHubRefused(message)


def _host(url: str) -> str:
    """Without a user name and password."""
    return urlsplit(url).netloc.rpartition("@")[2]
