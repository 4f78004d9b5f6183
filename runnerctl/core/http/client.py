"""One request and its answer over kept connections: bounded in time and size, no redirects, cookies or ~/.netrc."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import certifi
import urllib3
from urllib3.exceptions import HTTPError, LocationValueError
from urllib3.util.ssl_ import create_urllib3_context

from ..domain.errors import ConfigInvalid
from ..file_version import file_version
from . import deadline
from .failures import HttpFailure, ProxyRefused, reason, refused_by_proxy, timed_out
from .proxies import proxy_for
from .settings import HttpSettings

_CONNECT_SECONDS = 5.0
"""For each address of a host."""
_CHUNK = 64 * 1024
_PROXY_REFUSES = 407

_ErrorsNamed = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)


class Opened:
    """An answer whose body is still to come."""

    def __init__(self, response: urllib3.BaseHTTPResponse, call: deadline.Call, errors_named: _ErrorsNamed) -> None:
        self._response = response
        self._call = call
        self._errors_named = errors_named
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._whole = False

    def chunks(self, size: int = _CHUNK) -> Iterator[bytes]:
        """The body as it is sent: an archive that a server labels ``Content-Encoding: gzip`` stays one."""
        with self._errors_named():
            yield from self._response.stream(size, decode_content=False)
            if self._call.expired:
                raise TimeoutError
        self._whole = True

    def end(self) -> None:
        """Of what was not read to its end, the connection is of no more use."""
        if not self._whole:
            self._response.close()
        self._response.release_conn()


class HttpClient:
    """Thread-safe. What goes wrong on the way is ``HttpFailure``, an address that is none ``ConfigInvalid``."""

    def __init__(self, settings: HttpSettings, *, user_agent: str, kept: int = 8) -> None:
        self._settings = settings
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "identity"}
        self._kept = kept
        self._managers: dict[tuple[str, str | None], urllib3.PoolManager] = {}
        self._ca_version: tuple[int, ...] | None = None

    def close(self) -> None:
        """Ends the kept connections; a later call opens new ones."""
        for manager in list(self._managers.values()):
            manager.clear()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float,
        max_bytes: int,
    ) -> HttpAnswer:
        """The whole answer, within ``seconds`` in all. One that is longer than ``max_bytes`` is a failure."""
        with self.open(method, url, headers=headers, body=body, seconds=seconds) as opened:
            chunks, size = [], 0
            for chunk in opened.chunks():
                chunks.append(chunk)
                size += len(chunk)
                if size > max_bytes:
                    raise HttpFailure(f"the answer is too long, over {max_bytes} bytes", sent=True)
        return HttpAnswer(status=opened.status, headers=opened.headers, body=b"".join(chunks))

    @contextmanager
    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float,
        silence: float | None = None,
    ) -> Iterator[Opened]:
        """The answer's beginning. The body is read within the block, whose end is due after ``seconds``."""
        timeout = urllib3.Timeout(connect=min(_CONNECT_SECONDS, seconds), read=min(silence or seconds, seconds))
        with deadline.limited(seconds) as call:
            proxy = _proxy_of(url, self._settings)
            errors_named = partial(_errors_named, call, url, seconds, proxy)
            with errors_named():
                response = self._manager(url).urlopen(
                    method,
                    url,
                    body=body,
                    headers={**self._headers, **(headers or {})},
                    timeout=timeout,
                    retries=False,
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
            opened = Opened(response, call, errors_named)
            try:
                if proxy is not None and response.status == _PROXY_REFUSES:
                    raise ProxyRefused(proxy)
                yield opened
            finally:
                opened.end()

    def _manager(self, url: str) -> urllib3.PoolManager:
        self._notice_other_certificates()
        managers = self._managers
        key = (urlsplit(url).scheme, proxy_for(url, self._settings))
        if key not in managers:
            managers[key] = self._made(*key)  # two threads may make two: one is thrown away
        return managers[key]

    def _notice_other_certificates(self) -> None:
        """A file of them that was renewed counts from the next call on; calls under way keep what they began with."""
        if self._settings.ca_path is None:
            return
        version = file_version(Path(self._settings.ca_path))
        if version != self._ca_version:
            self._managers, self._ca_version = {}, version

    def _made(self, scheme: str, proxy: str | None) -> urllib3.PoolManager:
        context = self._trusted() if scheme == "https" else None
        if proxy is None:
            manager = urllib3.PoolManager(maxsize=self._kept, ssl_context=context)
        else:
            manager = urllib3.ProxyManager(
                proxy,
                proxy_headers=_proxy_headers(proxy),
                proxy_ssl_context=self._trusted() if proxy.lower().startswith("https:") else None,
                maxsize=self._kept,
                ssl_context=context,
            )
        manager.pool_classes_by_scheme = deadline.POOLS
        return manager

    def _trusted(self) -> ssl.SSLContext:
        path, variable = self._settings.ca_path, self._settings.ca_variable
        context = create_urllib3_context()
        try:
            if path is None:
                context.load_verify_locations(cafile=certifi.where())
            elif Path(path).is_dir():
                context.load_verify_locations(capath=path)
            else:
                context.load_verify_locations(cafile=path)
        except FileNotFoundError:
            raise ConfigInvalid(f"{variable} names {path!r}, which does not exist") from None
        except OSError as exc:  # ssl.SSLError is one
            raise ConfigInvalid(f"{variable} names {path!r}, which holds no certificates that can be read") from exc
        return context


@contextmanager
def _errors_named(call: deadline.Call, url: str, seconds: float, proxy: str | None) -> Iterator[None]:
    try:
        yield
    except (LocationValueError, urllib3.exceptions.URLSchemeUnknown, http.client.InvalidURL, UnicodeError) as exc:
        if call.begun:
            raise HttpFailure(reason(exc), sent=True) from exc
        raise ConfigInvalid(f"{_host(url)!r} cannot be asked: its address or its proxy's is not valid") from exc
    except (HTTPError, http.client.HTTPException, OSError) as exc:
        if proxy is not None and refused_by_proxy(exc):
            raise ProxyRefused(proxy) from exc
        # Which of the two clocks strikes first is chance, where the whole time is spent in one wait.
        late = call.expired or (timed_out(exc) and call.used() > 0.9 * seconds)
        why = f"it took longer than {seconds:.2g} s" if late else reason(exc)
        raise HttpFailure(why, sent=call.begun) from exc


def _proxy_of(url: str, settings: HttpSettings) -> str | None:
    try:
        return proxy_for(url, settings)
    except ValueError:  # whoever sends it names that
        return None


def _proxy_headers(proxy: str) -> dict[str, str] | None:
    user, at, _ = urlsplit(proxy).netloc.rpartition("@")
    return urllib3.make_headers(proxy_basic_auth=unquote(user)) if at else None


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2]
