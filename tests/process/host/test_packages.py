"""Packages: downloaded once, verified, unpacked whole or not at all. Against a real HTTP server with vices."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import socket
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.errors import ConfigInvalid, DiskFull, GitHubRefused, GitHubUnavailable, PackageInvalid
from runnerctl.core.http.client import HttpClient
from runnerctl.core.http.settings import HttpSettings
from runnerctl.core.packages.download import download
from runnerctl.core.packages.releases import Release
from runnerctl.core.packages.store import PackageStore

PLATFORM = "linux-x64"
FETCHER = """
import sys
from pathlib import Path
from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.http.settings import HttpSettings
from runnerctl.core.packages.store import PackageStore
from runnerctl.core.packages.releases import Release
directory, url, sha256 = sys.argv[1:]
release = Release(version="2.336.0", platform="linux-x64", url=url, filename="runner.tar.gz", sha256=sha256)
print("asking", flush=True)
store = PackageStore(Path(directory), http=HttpSettings(), user_agent="test", clock=SystemClock())
print(store.fetch(release).path)
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def store_at(directory: Path) -> PackageStore:
    return PackageStore(directory, http=HttpSettings(), user_agent="test", clock=SystemClock())


def client() -> HttpClient:
    return HttpClient(HttpSettings(), user_agent="test")


def archive_of(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755
            tar.addfile(member, io.BytesIO(data))
    return written.getvalue()


RUNNER = archive_of(
    {
        "./bin/Runner.Listener": b"listener",
        "./bin/lib/a.dll": b"a",
        "./externals/node20/bin/node": b"n",
        "./run.sh": b"r",
    }
)


class ReleaseServer(ThreadingHTTPServer):
    """Serves one archive at every path."""

    daemon_threads = True

    def __init__(self, content: bytes = RUNNER) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.requests: list[tuple[str, str | None]] = []
        self.asked = threading.Event()
        self.unblock = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.head(request, len(self.content))
        request.wfile.write(self.content)

    def head(self, request: BaseHTTPRequestHandler, length: int, status: int = 200, **headers: str) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(length))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, ReleaseServer)
        self.server.requests.append((self.path, self.headers["Authorization"]))
        self.server.asked.set()
        self.server.answer(self)

    def log_message(self, *_: object) -> None:
        pass


class TricklingBody(ReleaseServer):
    """Sends a byte now and then: never silent, never done."""

    def answer(self, request):
        self.head(request, 10**6)
        with contextlib.suppress(OSError):
            while not self.unblock.wait(0.05):
                request.wfile.write(b"x")


class HeldServer(ReleaseServer):
    """Begins to answer, goes on only when it is unblocked."""

    def answer(self, request):
        self.head(request, len(self.content))
        request.wfile.write(self.content[:10])
        request.wfile.flush()
        self.unblock.wait(10)
        request.wfile.write(self.content[10:])


class HangingUpServer(ReleaseServer):
    """Promises more than it sends."""

    def answer(self, request):
        self.head(request, len(self.content))
        request.wfile.write(self.content[:-20])


class LabelledServer(ReleaseServer):
    """Says that the archive's own compression is one of the transport."""

    def answer(self, request):
        self.head(request, len(self.content), Content_Encoding="gzip")
        request.wfile.write(self.content)


class CountlessServer(ReleaseServer):
    """Does not say how much it sends."""

    def answer(self, request):
        request.send_response(200)
        request.end_headers()
        request.wfile.write(self.content)


class StatusServer(ReleaseServer):
    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status

    def answer(self, request):
        self.head(request, 0, self.status)


class RedirectingServer(ReleaseServer):
    """Sends everybody elsewhere."""

    def __init__(self, target: str = "") -> None:
        super().__init__()
        self.target = target

    def answer(self, request):
        self.head(request, 0, 302, Location=self.target or f"{self.url}/again")


@contextlib.contextmanager
def served(server: ReleaseServer) -> Iterator[ReleaseServer]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.unblock.set()
        server.shutdown()
        thread.join()
        server.server_close()


def release_at(url: str, content: bytes = RUNNER, *, version: str = "2.336.0", token: str | None = None) -> Release:
    return Release(
        version=version,
        platform=PLATFORM,
        url=f"{url}/runner.tar.gz",
        filename="runner.tar.gz",
        sha256=hashlib.sha256(content).hexdigest(),
        temp_token=token,
    )


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def store(tmp_path):
    return store_at(tmp_path / "packages")


def left_over(store_dir: Path) -> list[str]:
    return sorted(path.name for path in store_dir.iterdir() if path.name not in {".locks", ".partial"}) + [
        path.name for path in (store_dir / ".partial").iterdir()
    ]


def test_a_fetched_package_is_ready_listed_and_read_only(store, tmp_path):
    seen: list[tuple[int, int | None]] = []
    with served(ReleaseServer()) as server:
        package = store.fetch(release_at(server.url), progress=lambda done, total: seen.append((done, total)))
    assert (package.path / "bin/Runner.Listener").read_bytes() == b"listener"
    assert store.ready("2.336.0", PLATFORM) == package
    assert store.list() == [package]
    assert seen[-1] == (len(RUNNER), len(RUNNER))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in package.path.rglob("*")}
    assert modes == {0o555}
    assert left_over(tmp_path / "packages") == [".2.336.0-linux-x64.manifest.json", "2.336.0-linux-x64"]


def test_jobs_of_other_users_can_read_a_package_whatever_the_umask(store):
    before = os.umask(0o077)
    try:
        with served(ReleaseServer()) as server:
            package = store.fetch(release_at(server.url))
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o055 for path in [package.path, *package.path.rglob("*")]} == {0o055}


def test_a_package_that_is_here_costs_no_request(store):
    with served(ReleaseServer()) as server:
        first = store.fetch(release_at(server.url))
        assert store.fetch(release_at(server.url)) == first
        assert store.ready("2.336.0", PLATFORM) == first
        assert len(server.requests) == 1


def test_nothing_is_ready_in_an_empty_store(store):
    assert store.ready("2.336.0", PLATFORM) is None
    assert store.ready("latest", PLATFORM) is None
    assert list(store.list()) == []


def test_packages_are_listed_by_version_and_strangers_are_not(store, tmp_path):
    for name in ["2.99.0-linux-x64", "2.336.0-linux-x64", "2.100.0-linux-arm64", "backup", ".new"]:
        (tmp_path / "packages" / name).mkdir(parents=True)
    assert [package.version for package in store.list()] == ["2.99.0", "2.100.0", "2.336.0"]


def test_two_processes_at_once_download_once(tmp_path):
    with served(HeldServer()) as server:
        release = release_at(server.url)
        arguments = [sys.executable, "-c", FETCHER, str(tmp_path / "packages"), release.url, release.sha256]
        processes = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        assert [process.stdout.readline() for process in processes] == ["asking\n"] * 2
        assert server.asked.wait(10)
        server.unblock.set()
        outputs = [process.communicate(timeout=20)[0] for process in processes]
        assert len(server.requests) == 1
    assert outputs == [f"{tmp_path}/packages/2.336.0-linux-x64\n"] * 2


def test_threads_at_once_download_once(store):
    with served(ReleaseServer()) as server:
        threads = [threading.Thread(target=store.fetch, args=(release_at(server.url),)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(server.requests) == 1


def test_versions_do_not_wait_for_each_other(store):
    with served(HeldServer()) as slow, served(ReleaseServer()) as fast:
        waiting = threading.Thread(target=store.fetch, args=(release_at(slow.url),))
        waiting.start()
        assert store.fetch(release_at(fast.url, version="2.330.0")).version == "2.330.0"
        assert waiting.is_alive()
        slow.unblock.set()
        waiting.join(10)
    assert len(store.list()) == 2


class Bad(NamedTuple):
    server: Callable[[], ReleaseServer]
    content: bytes
    error: type[Exception]
    message: str


def serving(content: bytes) -> Callable[[], ReleaseServer]:
    return lambda: ReleaseServer(content)


NO_RUNNER = archive_of({"x": b""})
BAD = {
    "wrong checksum": Bad(serving(RUNNER[:-1] + b"!"), RUNNER, PackageInvalid, "has the wrong checksum"),
    "truncated archive": Bad(serving(RUNNER[:90]), RUNNER[:90], PackageInvalid, "is truncated"),
    "no archive": Bad(serving(b"<html>"), b"<html>", PackageInvalid, "not a readable"),
    "no runner": Bad(serving(NO_RUNNER), NO_RUNNER, PackageInvalid, "no executable"),
    "endless redirect": Bad(RedirectingServer, RUNNER, GitHubRefused, "redirected more than 5 times"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_download_leaves_nothing_and_can_be_repeated(store, tmp_path, bad):
    with served(bad.server()) as server, pytest.raises(bad.error, match=bad.message):
        store.fetch(release_at(server.url, bad.content))
    assert left_over(tmp_path / "packages") == []
    with served(ReleaseServer()) as good:
        assert store.fetch(release_at(good.url)).path.is_dir()


class ResumingServer(ReleaseServer):
    """Sends the rest of what is asked for by a range; hangs up in the middle of the whole."""

    ranges: tuple[str | None, ...] = ()

    def answer(self, request):
        asked = request.headers["Range"]
        self.ranges += (asked,)
        if asked is None:
            self.head(request, len(self.content))
            request.wfile.write(self.content[:100])
            return
        self.rest(request, int(asked.removeprefix("bytes=").removesuffix("-")))

    def rest(self, request, start: int) -> None:
        size = len(self.content)
        self.head(request, size - start, 206, Content_Range=f"bytes {start}-{size - 1}/{size}")
        request.wfile.write(self.content[start:])


class RangelessServer(ResumingServer):
    """Knows no ranges: sends the whole."""

    def rest(self, request, _start):
        self.head(request, len(self.content))
        request.wfile.write(self.content)


class MisplacingServer(ResumingServer):
    """Sends another part than was asked for."""

    def rest(self, request, _start):
        size = len(self.content)
        self.head(request, size, 206, Content_Range=f"bytes 0-{size - 1}/{size}")
        request.wfile.write(self.content)


def interrupted(store: PackageStore, server: ReleaseServer) -> None:
    with pytest.raises(GitHubUnavailable, match="failed: "):
        store.fetch(release_at(server.url))


@pytest.mark.parametrize("kind", [ResumingServer, RangelessServer])
def test_an_interrupted_download_goes_on_where_it_stopped_if_the_server_can(store, tmp_path, kind):
    seen: list[tuple[int, int | None]] = []
    with served(kind()) as server:
        interrupted(store, server)
        assert store.ready("2.336.0", PLATFORM) is None
        package = store.fetch(release_at(server.url), progress=lambda done, total: seen.append((done, total)))
    assert server.ranges == (None, "bytes=100-")
    assert seen[-1] == (len(RUNNER), len(RUNNER))
    assert store.changed(package, contents=True) == []
    assert left_over(tmp_path / "packages") == [".2.336.0-linux-x64.manifest.json", "2.336.0-linux-x64"]


def test_a_beginning_of_something_else_is_not_built_upon(store, tmp_path):
    with served(ResumingServer()) as server:
        interrupted(store, server)
        (part,) = (tmp_path / "packages" / ".partial").glob("*.part")
        part.write_bytes(b"x" * 100)
        interrupted(store, server)  # continued, found wrong, begun anew: where this server hangs up
        assert server.ranges == (None, "bytes=100-", None)
        assert part.read_bytes() == RUNNER[:100]


def test_a_part_that_was_not_asked_for_is_refused(store, tmp_path):
    with served(MisplacingServer()) as server:
        interrupted(store, server)
        with pytest.raises(GitHubRefused, match="HTTP 206"):
            store.fetch(release_at(server.url))
    assert left_over(tmp_path / "packages") == []


def test_an_archive_that_came_whole_is_not_asked_for_again(store, tmp_path):
    with served(ResumingServer()) as server:
        interrupted(store, server)
        (part,) = (tmp_path / "packages" / ".partial").glob("*.part")
        part.write_bytes(RUNNER)
        assert store.fetch(release_at(server.url)).path.is_dir()
        assert server.ranges == (None,)


STATUSES = {
    500: GitHubUnavailable,
    503: GitHubUnavailable,
    429: GitHubUnavailable,
    404: GitHubRefused,
    403: GitHubRefused,
    206: GitHubRefused,
}


@pytest.mark.parametrize(("status", "error"), STATUSES.items())
def test_a_status_that_is_not_200_is_told_apart(store, status, error):
    with served(StatusServer(status)) as server, pytest.raises(error, match=f"HTTP {status}"):
        store.fetch(release_at(server.url))


def test_a_refused_connection_is_worth_another_try(store):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(GitHubUnavailable) as refused:
        store.fetch(release_at(url))
    assert refused.value.retryable


def test_a_silent_server_is_given_up(tmp_path):
    with served(HeldServer()) as server, pytest.raises(GitHubUnavailable, match="timed out"):
        download(release_at(server.url), tmp_path / "archive", http=client(), silence_seconds=0.1)


@pytest.mark.parametrize("server", [HeldServer, CountlessServer])
def test_a_download_larger_than_allowed_is_refused(tmp_path, server):
    with served(server()) as running, pytest.raises(PackageInvalid, match="larger than 100 bytes"):
        download(release_at(running.url), tmp_path / "archive", http=client(), max_bytes=100)


def test_a_download_that_drips_on_for_ever_is_given_up(tmp_path):
    with served(TricklingBody()) as server, pytest.raises(GitHubUnavailable, match=r"longer than 0\.3 s"):
        download(release_at(server.url), tmp_path / "archive", http=client(), seconds=0.3)


def test_a_server_that_does_not_say_how_much_it_sends_will_do(store):
    seen: list[tuple[int, int | None]] = []
    with served(CountlessServer()) as server:
        store.fetch(release_at(server.url), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(RUNNER), None)


def test_the_archives_own_compression_is_not_undone_on_the_way(store):
    with served(LabelledServer()) as server:
        assert store.fetch(release_at(server.url)).path.is_dir()


def test_a_token_goes_to_its_own_origin_only(store):
    with served(ReleaseServer()) as elsewhere, served(RedirectingServer(f"{elsewhere.url}/signed?x=1")) as first:
        store.fetch(release_at(first.url, token="short-lived"))
    assert first.requests == [("/runner.tar.gz", "Bearer short-lived")]
    assert elsewhere.requests == [("/signed?x=1", None)]


def test_passwords_of_the_users_netrc_stay_at_home(store, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with served(ReleaseServer()) as elsewhere, served(RedirectingServer(f"{elsewhere.url}/there")) as first:
        store.fetch(release_at(first.url))
    assert {authorization for _, authorization in first.requests + elsewhere.requests} == {None}


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_a_redirect_to_another_kind_of_address_is_refused(store, target):
    with served(RedirectingServer(target)) as server, pytest.raises(GitHubRefused, match="was redirected to"):
        store.fetch(release_at(server.url))


def test_what_a_crash_left_goes_with_the_next_fetch(store, tmp_path):
    partial = tmp_path / "packages" / ".partial"
    (partial / "2.336.0-linux-x64.crashed" / "tree" / "bin").mkdir(parents=True)
    (partial / "2.336.0-linux-x64.crashed" / "tree").chmod(0o555)
    (partial / "2.330.0-linux-x64.under-way").mkdir()
    with served(ReleaseServer()) as server:
        store.fetch(release_at(server.url))
    assert [path.name for path in partial.iterdir()] == ["2.330.0-linux-x64.under-way"]


def test_a_killed_fetch_leaves_no_package_and_no_lock(store, tmp_path):
    with served(HeldServer()) as server:
        release = release_at(server.url)
        arguments = [sys.executable, "-c", FETCHER, str(tmp_path / "packages"), release.url, release.sha256]
        process = subprocess.Popen(arguments)
        assert server.asked.wait(10)
        process.kill()
        process.wait(10)
        assert store.ready("2.336.0", PLATFORM) is None
        server.unblock.set()
        assert store.fetch(release).path.is_dir()
    assert len(left_over(tmp_path / "packages")) == 2


@pytest.fixture
def fetched(store):
    with served(ReleaseServer()) as server:
        return store.fetch(release_at(server.url))


def test_an_untouched_package_has_not_changed_even_when_it_is_linked(store, fetched, tmp_path):
    (tmp_path / "link").hardlink_to(fetched.path / "bin/Runner.Listener")
    assert store.changed(fetched) == []


def _rewrite(path: Path) -> None:
    path.chmod(0o755)
    path.write_bytes(b"LISTENER")


def _replace(path: Path) -> None:
    path.parent.chmod(0o755)
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    found = path.stat()
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(path)


def _delete(path: Path) -> None:
    path.parent.chmod(0o755)
    path.unlink()


@pytest.mark.parametrize("meddle", [_rewrite, _replace, _delete])
def test_a_file_that_was_meddled_with_is_named(store, fetched, meddle):
    meddle(fetched.path / "bin/Runner.Listener")
    assert store.changed(fetched) == ["bin/Runner.Listener"]


def test_content_that_changed_without_a_trace_is_found_by_reading(store, fetched):
    file = fetched.path / "bin/Runner.Listener"
    found = file.stat()
    file.chmod(0o755)
    with file.open("r+b") as writing:
        writing.write(b"L")
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert store.changed(fetched) == []
    assert store.changed(fetched, contents=True) == ["bin/Runner.Listener"]


def test_a_file_that_was_added_is_named(store, fetched):
    (fetched.path / "added").write_text("")
    assert store.changed(fetched) == ["added"]


@pytest.mark.parametrize("content", [None, b"{", b"[]", json.dumps({"files": {}}).encode()])
def test_without_a_manifest_everything_counts_as_changed(store, fetched, content):
    manifest = fetched.path.parent / f".{fetched.path.name}.manifest.json"
    manifest.unlink() if content is None else manifest.write_bytes(content)
    assert len(store.changed(fetched)) == 4


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@needs_root
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(archive_of({"bin/Runner.Listener": os.urandom(500_000)}), id="while downloading"),
        pytest.param(archive_of({"bin/Runner.Listener": bytes(2_000_000)}), id="while unpacking"),
    ],
)
def test_a_full_disk_is_said_and_nothing_stays(small_disk, content):
    store = store_at(small_disk / "packages")
    with served(ReleaseServer(content)) as server, pytest.raises(DiskFull, match="No space is left"):
        store.fetch(release_at(server.url, content))
    assert left_over(small_disk / "packages") == []


def test_a_store_that_is_a_file_is_said(tmp_path):
    (tmp_path / "packages").write_text("")
    with pytest.raises(ConfigInvalid, match="is not a directory"):
        store_at(tmp_path / "packages").fetch(release_at("http://127.0.0.1:9"))
