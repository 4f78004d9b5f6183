"""Downloads one release: streamed, hashed on the way, bounded in size and time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

from ..domain.errors import GitHubRefused, GitHubUnavailable, PackageInvalid
from ..host.directories import disk_errors
from ..http.client import HttpClient, Opened
from ..http.failures import HttpFailure
from .releases import Release

Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far and, where the server told it, the total."""

MAX_BYTES = 2 * 1024**3
TOTAL_SECONDS = 1800.0
_SILENCE_SECONDS = 30.0
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 256 * 1024
_PARTIAL = 206
_RANGE_REFUSED = 416


def download(
    release: Release,
    target: Path,
    *,
    http: HttpClient,
    progress: Progress | None = None,
    seconds: float = TOTAL_SECONDS,
    silence_seconds: float = _SILENCE_SECONDS,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Write the release to the file ``target``, on disk and verified when this returns.

    What an interrupted download left in ``target`` is continued where the server can do that. Raises
    ``GitHubUnavailable`` (worth another try, which may go on from there), ``GitHubRefused``, ``PackageInvalid`` or
    ``DiskFull``.
    """
    with disk_errors(target), target.open("a+b") as file:
        limits = {"seconds": seconds, "silence_seconds": silence_seconds}
        fetch = _Fetch(release, file, http=http, progress=progress, most=max_bytes, **limits)
        if fetch.resume() or (not fetch.whole and fetch.restart()):
            os.fsync(file.fileno())
            return
    raise PackageInvalid(
        f"{release.filename!r} has the wrong checksum {fetch.digest}; GitHub says {release.sha256}",
        hint="Try again. If it fails again, a proxy may be changing downloads",
    )


class _Fetch:
    """One archive on its way into a file that may hold its beginning."""

    def __init__(
        self,
        release: Release,
        file: BinaryIO,
        *,
        http: HttpClient,
        progress: Progress | None,
        seconds: float,
        silence_seconds: float,
        most: int,
    ) -> None:
        self._release = release
        self._file = file
        self._http = http
        self._progress = progress
        self._seconds = seconds
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
        limits = {"silence": self._silence, "seconds": self._seconds}
        with _failures(self._release), _answer(self._release, start, http=self._http, **limits) as answer:
            if answer.status == _RANGE_REFUSED:
                return False
            if answer.status != _PARTIAL:
                self.whole = True
                self._begin_anew()
                start = 0
            for chunk in self._chunks(answer, start):
                self._hash.update(chunk)
                self._file.write(chunk)
        self._file.flush()
        return self.digest == self._release.sha256

    def _begin_anew(self) -> None:
        self._file.truncate(0)
        self._hash = hashlib.sha256()

    def _chunks(self, answer: Opened, start: int) -> Iterator[bytes]:
        length = answer.headers.get("content-length", "")
        total = start + int(length) if length.isdecimal() else None
        _check_size(total or 0, self._release, self._most)
        received = start
        for chunk in answer.chunks(_CHUNK):
            received += len(chunk)
            _check_size(received, self._release, self._most)
            yield chunk
            if self._progress is not None:
                self._progress(received, total)


def _check_size(size: int, release: Release, max_bytes: int) -> None:
    if size > max_bytes:
        raise PackageInvalid(f"{release.filename!r} is larger than {max_bytes} bytes")


@contextmanager
def _failures(release: Release) -> Iterator[None]:
    try:
        yield
    except HttpFailure as exc:
        raise GitHubUnavailable(
            f"Downloading {release.filename!r} from {_host(release.url)!r} failed: {exc.reason}",
            hint=exc.hint or "Check the network and HTTPS_PROXY",
        ) from exc


@contextmanager
def _answer(release: Release, start: int, *, http: HttpClient, silence: float, seconds: float) -> Iterator[Opened]:
    """The 200 at the end of the redirects; for a ``start`` beyond 0 also a 206 from there on, or a 416."""
    url = release.url
    for _ in range(_MAX_REDIRECTS + 1):
        headers = {"Range": f"bytes={start}-"} if start else {}
        if release.temp_token is not None and _origin(url) == _origin(release.url):
            headers["Authorization"] = f"Bearer {release.temp_token}"
        with http.open("GET", url, headers=headers, seconds=seconds, silence=silence) as answer:
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                _check_status(answer.status, answer.headers, release, start)
                yield answer
                return
            url = _next(url, answer.headers["location"], release)
    raise GitHubRefused(f"Downloading {release.filename!r} was redirected more than {_MAX_REDIRECTS} times")


def _next(url: str, location: str, release: Release) -> str:
    following = urljoin(url, location)
    scheme = urlsplit(following).scheme
    if scheme != "https" and scheme != urlsplit(url).scheme:
        raise GitHubRefused(f"Downloading {release.filename!r} was redirected to {scheme!r}")
    return following


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _check_status(status: int, headers: Mapping[str, str], release: Release, start: int) -> None:
    continued = status == _PARTIAL and headers.get("content-range", "").startswith(f"bytes {start}-")
    if status == 200 or (start and (continued or status == _RANGE_REFUSED)):
        return
    message = f"Downloading {release.filename!r} from {_host(release.url)!r} was answered with HTTP {status}"
    if status == 429 or status >= 500:
        raise GitHubUnavailable(message)
    raise GitHubRefused(message)


def _host(url: str) -> str:
    """Without a user name and password."""
    return urlsplit(url).netloc.rpartition("@")[2]
