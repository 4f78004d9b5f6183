"""The front door: where the server listens and how, whom it knows without a token, what it does not put up with."""

from __future__ import annotations

import grp
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from multidict import CIMultiDict

from runnerctl.core import listening
from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.server.auth import unix_peers
from runnerctl.server.auth.sources import Sources
from tests.support.hosts.certificates import certificate
from tests.support.hosts.host import Host, Server, until

PROTECTION = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Server": "runnerctl",
}


# --- Where it listens ---


@pytest.mark.parametrize("bind", ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080", "example.org:80"])
def test_where_others_reach_us_it_does_not_speak_in_the_clear(host: Host, bind: str) -> None:
    with pytest.raises(ConfigInvalid, match="tokens would travel unencrypted") as refused:
        listening.check_address(
            host.settings(RUNNERCTL_BIND=bind, GITHUB_WFA_RUNNER_SERVER__BIND=""), listening.parse(bind)
        )
    assert refused.value.hint is not None
    assert {"--tls-cert", "--insecure-bind", "RUNNERCTL_INSECURE_BIND=true"} <= set(
        refused.value.hint.replace(",", " ").split()
    )


@pytest.mark.parametrize("bind", ["127.0.0.1:80", "127.8.8.8:1", "localhost:1", "LOCALHOST:1", "[::1]:80", "unix:/x"])
def test_where_nobody_else_hears_it_needs_nothing(host: Host, bind: str) -> None:
    listening.check_address(host.settings(), listening.parse(bind))


def test_serve_refuses_and_makes_nothing(host: Host) -> None:
    ran = host.cli("serve", "--bind", "0.0.0.0:0")
    assert ran.returncode == 2
    assert "--insecure-bind" in ran.stderr
    told = host.cli("config", "validate", RUNNERCTL_BIND="0.0.0.0:0", GITHUB_WFA_RUNNER_SERVER__BIND="0.0.0.0:0")
    assert (told.returncode, told.stderr) == (2, ran.stderr)
    assert not host.state_dir.exists()


@pytest.mark.parametrize("variables", [{"RUNNERCTL_INSECURE_BIND": "true"}], ids=str)
def test_it_listens_anywhere_when_told_so(serve: Callable[..., Server], host: Host, variables: dict[str, str]) -> None:
    host.write_env_file(GITHUB_WFA_RUNNER_SERVER__BIND="0.0.0.0:0", **variables)
    server = serve()
    assert requests.get(server.url.replace("0.0.0.0", "127.0.0.1") + "/health", timeout=10).status_code == 200


# --- TLS ---


def seen_certificate(url: str) -> str:
    port = int(url.rpartition(":")[2])
    return ssl.get_server_certificate(("127.0.0.1", port))


def test_tls_is_served_and_its_files_are_read_again_on_sighup(serve: Callable[..., Server], host: Host) -> None:
    first, second = certificate(host.top, "first"), certificate(host.top, "second")
    served = host.top / "served.pem", host.top / "served.key"

    def put(files: tuple[Path, Path]) -> None:
        for source, target in zip(files, served, strict=True):
            target.write_bytes(source.read_bytes())

    put(first)
    server = serve(RUNNERCTL_TLS_CERT=str(served[0]), RUNNERCTL_TLS_KEY=str(served[1]))
    url = server.url.replace("127.0.0.1", "localhost")
    assert url.startswith("https://")
    assert requests.get(f"{url}/health", verify=str(first[0]), timeout=10).json() == {"status": "ok"}
    put(second)
    server.signal(signal.SIGHUP)
    until(lambda: seen_certificate(server.url) == second[0].read_text())
    served[1].write_bytes(first[1].read_bytes())
    server.signal(signal.SIGHUP)
    until(lambda: "do not belong together" in server.log.read_text())
    assert seen_certificate(server.url) == second[0].read_text()
    assert requests.get(f"{url}/health", verify=str(second[0]), timeout=10).status_code == 200


def test_tls_of_old_versions_is_not_spoken(serve: Callable[..., Server], host: Host) -> None:
    cert, key = certificate(host.top, "own")
    server = serve(RUNNERCTL_TLS_CERT=str(cert), RUNNERCTL_TLS_KEY=str(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as plain, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(plain)


@pytest.mark.parametrize(
    ("cert", "key", "says"),
    [
        ("one.pem", "", "no key"),
        ("", "one.key", "no certificate"),
        ("one.pem", "two.key", "do not belong together"),
        ("one.pem", "nowhere.key", "No such file"),
        ("one.key", "one.key", "cannot be used"),
        ("one.pem", "locked.key", "cannot be used"),
    ],
)
def test_files_that_make_no_tls_are_refused(host: Host, cert: str, key: str, says: str) -> None:
    certificate(host.top, "one")
    two = certificate(host.top, "two")[1]
    locked = serialization.load_pem_private_key(two.read_bytes(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    (host.top / "locked.key").write_bytes(locked)
    names = {"RUNNERCTL_TLS_CERT": cert, "RUNNERCTL_TLS_KEY": key}
    settings = host.settings(**{name: str(host.top / file) if file else "" for name, file in names.items()})
    with pytest.raises(ConfigInvalid, match=says):
        listening.tls(settings)


# --- The unix socket ---


ASK = """
import http.client, os, socket, sys
path, uid, groups, *headers = sys.argv[1:]
if uid:  # now that all is imported: that user may not get to this interpreter
    os.setgroups([int(gid) for gid in groups.split()])
    os.setresgid(*[int(uid)] * 3)
    os.setresuid(*[int(uid)] * 3)
connection = http.client.HTTPConnection("localhost")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.settimeout(10)
connection.sock.connect(path)
connection.request("GET", "/api/v1/whoami", headers=dict(word.split("=", 1) for word in headers))
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""
NOBODY = 65534
GROUP = "games"


def ask_at(path: Path, *headers: str, uid: int | None = None, groups: Sequence[int] = ()) -> str:
    """Status and body of whoami at that socket, asked by another user if one is given; or why it could not be."""
    who = ("" if uid is None else str(uid), " ".join(map(str, groups)))
    argv = [sys.executable, "-I", "-S", "-c", ASK, str(path), *who, *headers]
    ran = subprocess.run(argv, cwd="/", capture_output=True, text=True, timeout=30, check=False)
    return ran.stdout or ran.stderr


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """Where other users get to, and short enough for an address."""
    with tempfile.TemporaryDirectory() as top:
        Path(top).chmod(0o755)
        yield Path(top) / "api.sock"


def test_the_socket_is_its_groups_and_members_need_no_token(
    as_root: None, serve: Callable[..., Server], host: Host, socket_path: Path
) -> None:
    gid = grp.getgrnam(GROUP).gr_gid
    host.write_env_file(GITHUB_WFA_RUNNER_SERVER__BIND=f"unix:{socket_path}", RUNNERCTL_SOCKET_GROUP=GROUP)
    serve()
    found = socket_path.stat()
    assert (oct(found.st_mode & 0o777), found.st_gid) == ("0o660", gid)
    told = ask_at(socket_path, uid=NOBODY, groups=[gid])
    assert told.startswith("200 ")
    assert f'"actor":"uid:{NOBODY}"' in told
    assert "PermissionError" in ask_at(socket_path, uid=NOBODY)
    socket_path.chmod(0o666)
    assert ask_at(socket_path, uid=NOBODY).startswith("401 ")
    # Who passes on what others ask has their word only.
    assert ask_at(socket_path, "X-Forwarded-For=192.0.2.1", uid=NOBODY, groups=[gid]).startswith("401 ")
    assert ask_at(socket_path, "Authorization=Bearer wrong", uid=NOBODY, groups=[gid]).startswith("401 ")


def test_without_a_group_the_socket_asks_everybody_for_a_token(
    serve: Callable[..., Server], host: Host, socket_path: Path
) -> None:
    host.write_env_file(GITHUB_WFA_RUNNER_SERVER__BIND=f"unix:{socket_path}")
    serve()
    assert ask_at(socket_path).startswith("401 ")
    assert ask_at(socket_path, f"Authorization=Bearer {host.token}").startswith("200 ")


def test_the_managers_own_user_is_no_operator_by_its_uid() -> None:
    """Jobs may run as it; as root, they could do anything anyway."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    request: Any = SimpleNamespace(transport=SimpleNamespace(get_extra_info=lambda _: ours), headers={})
    with ours, theirs:
        assert (unix_peers.operator(request, os.getgid()) is not None) is (os.geteuid() == 0)


def test_a_group_that_is_not_there_is_refused(host: Host) -> None:
    ran = host.cli("serve", RUNNERCTL_SOCKET_GROUP="no-such-group-here")
    assert (ran.returncode, "is not a group of this host" in ran.stderr) == (2, True)


# --- Whose word counts on where a request came from ---


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "source"),
    [
        (None, "192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("127.0.0.0/8,10.0.0.0/8", "127.0.0.1", "6.6.6.6, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("127.0.0.0/8,10.0.0.0/8", "127.0.0.1", "10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("127.0.0.1", "127.0.0.1", "<script>", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", "198.51.100.7, nonsense", "127.0.0.1"),
        ("127.0.0.1", "::ffff:127.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("unix", "", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "", "198.51.100.7", "unix"),
        ("::1", "fe80::1%eth0", "198.51.100.7", "fe80::1"),
    ],
)
def test_only_trusted_proxies_tell_where_a_request_came_from(
    trusted: str | None, peer: str, forwarded: str | None, source: str
) -> None:
    transport = SimpleNamespace(get_extra_info=lambda _: (peer, 1) if peer else peer)
    headers = CIMultiDict({} if forwarded is None else {"X-Forwarded-For": forwarded})
    request: Any = SimpleNamespace(transport=transport, headers=headers)
    assert Sources(trusted).of(request) == source


@pytest.mark.parametrize("text", ["localhost", "10.0.0.0/33", "127.0.0.1,,", "unix:x"])
def test_proxies_that_are_no_networks_are_refused(host: Host, text: str) -> None:
    with pytest.raises(ConfigInvalid, match="trusted_proxies"):
        host.settings(RUNNERCTL_TRUSTED_PROXIES=text)


# --- What it does not put up with ---


def protections(headers: Any) -> dict[str, str]:
    return {name: headers.get(name) for name in PROTECTION}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("HEAD", "/health", 200),
        ("GET", "/api/v1/runners", 200),
        ("GET", "/api/v1/runners/x/status", 200),
        ("GET", "/api/v1/runners/x", 404),
        ("GET", "/nowhere", 404),
        ("PUT", "/api/v1/runners", 405),
        ("POST", "/api/v1/runners", 415),
    ],
)
def test_every_answer_tells_browsers_to_keep_out(
    quiet_server: tuple[Server, Host, Any], method: str, path: str, status: int
) -> None:
    server = quiet_server[0]
    answer = server.request(method, path)
    assert answer.status_code == status
    # What has an ETag is kept by whoever asked, and asked for again.
    kept = {"Cache-Control": "private, no-cache"} if "ETag" in answer.headers else {}
    assert protections(answer.headers) == {**PROTECTION, **kept}
    assert protections(requests.get(f"{server.url}/api/v1/runners", timeout=10).headers) == PROTECTION


def test_a_log_stream_tells_them_too(server: Server) -> None:
    server.create("one")
    answer = server.request("GET", "/api/v1/runners/one/logs")
    assert protections(answer.headers) == PROTECTION
    assert answer.headers["X-Request-Id"]


def raw(server: Server, data: bytes) -> bytes:
    """What the server says to those bytes, until it hangs up."""
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        said = b""
        while block := connection.recv(65536):
            said += block
    return said


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET /health HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 400 + b"\r\n",
        b"POST /api/v1/runners HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["no request", "long header", "long line", "many headers", "two lengths"],
)
def test_what_is_no_decent_request_is_refused_and_hung_up_on(
    quiet_server: tuple[Server, Host, Any], data: bytes
) -> None:
    said = raw(quiet_server[0], data)
    assert said[:12] in {b"HTTP/1.1 400", b"HTTP/1.0 400"}
    assert b'"code":"invalid_request"' in said
    assert b"nosniff" in said
    assert b"x" * 100 not in said


def with_constants(host: Host, code: str) -> Server:
    """``serve`` with limits that can be reached in a test."""
    return Server.start(host, {}, argv=("-c", f"{code}\nfrom runnerctl.cli.main import main\nmain(['serve'])"))


def test_a_connection_that_says_too_little_too_slowly_is_closed(host: Host) -> None:
    code = "from runnerctl.server import bodies\nfrom runnerctl.server.listening import connections\n"
    code += "connections.HEAD_SECONDS = bodies.BODY_SECONDS = 0.5"
    server = with_constants(host, code)
    try:
        began = time.monotonic()
        assert raw(server, b"") == b""
        assert raw(server, b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow") == b""
        trickle = (
            b"POST /api/v1/runners HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer " + host.token.encode() + b"\r\nContent-Length: 100\r\n\r\n{"
        )
        assert b"did not arrive within 0.5 s" in raw(server, trickle)
        assert time.monotonic() - began < 10
    finally:
        server.stop()


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=10)


def asked(connection: socket.socket, head: bytes = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n") -> bytes:
    """The answer; nothing if it was hung up on."""
    try:
        connection.sendall(head)
        return connection.recv(65536)
    except ConnectionError:
        return b""


FEW = "from runnerctl.server.listening import admission\nadmission.MOST, admission.MOST_OF_ONE = {}, {}"


@pytest.mark.parametrize(("most", "of_one"), [(5, 99), (99, 5)])
def test_who_holds_all_connections_keeps_nobody_out(host: Host, most: int, of_one: int) -> None:
    """Silent ones, idle ones, and logins that were refused: whoever comes last is heard, and no more are held."""
    server = with_constants(host, FEW.format(most, of_one))
    silent = [connected(server) for _ in range(20)]
    idle = [connected(server) for _ in range(20)]
    refused = [connected(server) for _ in range(20)]
    try:
        for each in idle:
            asked(each)
        for each in refused:
            each.sendall(b"GET /api/v1/runners HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(10):
            assert server.request("GET", "/api/v1/whoami").status_code == 200
        alive = sum(asked(each) != b"" for each in (*silent, *idle, *refused))
        assert alive <= 5
    finally:
        for each in (*silent, *idle, *refused):
            each.close()
        server.stop()


def _is_closed(connection: socket.socket) -> bool:
    try:
        while connection.recv(65536):
            continue
    except TimeoutError:
        return False
    return True


def test_who_waits_for_an_answer_is_not_closed_for_those_who_come(host: Host) -> None:
    """A known caller's stream stays however many connect; when all do so, more are closed unheard."""
    server = with_constants(host, FEW.format(3, 3))
    server.create("one")
    head = (
        f"GET /api/v1/runners/one/logs?follow=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {host.token}\r\n\r\n"
    ).encode()
    held = [connected(server) for _ in range(2)]
    many: list[socket.socket] = []
    try:
        assert all(b"200 OK" in asked(each, head) for each in held)
        many += [connected(server) for _ in range(20)]
        assert requests.get(f"{server.url}/health", timeout=10).status_code == 200
        for each in held:
            each.settimeout(0.3)
            assert not _is_closed(each)
        held.append(connected(server))
        assert b"200 OK" in asked(held[-1], head)
        many.append(connected(server))
        assert asked(many[-1]) == b""
        held.pop().close()
        until(lambda: _answers(server))
    finally:
        for each in (*held, *many):
            each.close()
        server.stop()


HOLD = """
import os, socket, sys
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
held = [socket.socket(socket.AF_UNIX) for _ in range(30)]
for each in held:
    each.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_one_user_of_the_socket_leaves_room_for_others(as_root: None, host: Host, socket_path: Path) -> None:
    gid = grp.getgrnam(GROUP).gr_gid
    host.write_env_file(GITHUB_WFA_RUNNER_SERVER__BIND=f"unix:{socket_path}", RUNNERCTL_SOCKET_GROUP=GROUP)
    server = with_constants(host, FEW.format(40, 5))
    socket_path.chmod(0o666)
    argv = [sys.executable, "-I", "-S", "-c", HOLD, str(socket_path)]
    with subprocess.Popen(argv, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert ask_at(socket_path, uid=1, groups=[gid]).startswith("200 ")
        files = [str(each.readlink()) for each in Path(f"/proc/{server.process.pid}/fd").iterdir()]
        assert sum(each.startswith("socket:") for each in files) < 25
        holder.communicate("")
    server.stop()


def _answers(server: Server) -> bool:
    try:
        return requests.get(f"{server.url}/health", timeout=10).status_code == 200
    except requests.ConnectionError:
        return False
