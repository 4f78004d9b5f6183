"""How runnerctl speaks HTTP to GitHub, to issuers and for packages: bounded, through the proxies that it is told of."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import signal
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runnerctl.core.access.oidc import issuer_keys
from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.errors import (
    ConfigInvalid,
    GitHubCredentials,
    GitHubError,
    GitHubNoAnswer,
    GitHubNotFound,
    GitHubUnavailable,
    IssuerUnavailable,
)
from runnerctl.core.domain.models import Scope
from runnerctl.core.github.client import GitHub
from runnerctl.core.github.config import GitHubSettings
from runnerctl.core.http.client import HttpClient
from runnerctl.core.http.failures import HttpFailure
from runnerctl.core.http.proxies import proxy_for
from runnerctl.core.http.settings import VARIABLES, HttpSettings
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.certificates import certificate
from tests.support.hosts.host import Host, until
from tests.support.misbehaving_servers import (
    PAGE,
    CountingProxy,
    EmptyScope,
    HtmlPortal,
    HugeAnswer,
    Misbehaving,
    NeverAnswers,
    TricklingBody,
    TricklingHead,
    TricklingLastBody,
    TricklingOldBody,
    plant_netrc,
)

REPO = Scope(owner="octo-org", repo="octo-repo")
ENDLESS = [TricklingBody, TricklingLastBody, TricklingOldBody, TricklingHead, NeverAnswers]
CALLS: dict[str, Callable[[GitHub], object]] = {
    "register": lambda github: github.generate_jitconfig(REPO, name="r1", group_id=1, labels=("r1",), workdir="_work"),
    "token": lambda github: github.registration_token(REPO),
    "list": lambda github: github.list_runners(REPO),
    "show": lambda github: github.get_runner(REPO, 7),
    "delete": lambda github: github.delete_runner(REPO, 7),
}


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def github_at(tmp_path: Path) -> Iterator[Callable[..., GitHub]]:
    opened = []

    def client(url: str, *, http: HttpSettings | None = None, timeout: float = 0.6) -> GitHub:
        settings = GitHubSettings(
            api_url=url,
            server_url=url,
            pat="github_pat_of_a_test",
            token_file=tmp_path / "tokens",
            user_agent="test",
            http=http or HttpSettings(),
            timeout=timeout,
        )
        opened.append(GitHub(settings, clock=SystemClock(), rng=random.Random(1)))
        return opened[-1]

    yield client
    for one in opened:
        one.close()


def read(**env_file: str) -> HttpSettings:
    return HttpSettings.read({}, env_file)


# --- Bounds ---


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", ENDLESS)
def test_a_call_to_github_ends_in_time_whatever_comes(
    github_at: Callable[..., GitHub], kind: type[Misbehaving], call: str
) -> None:
    with kind() as server:
        began = time.monotonic()
        with pytest.raises(GitHubNoAnswer):
            CALLS[call](github_at(server.url))
        assert 0.5 < time.monotonic() - began < 10.0


def test_without_a_setting_that_time_is_ten_seconds(tmp_path: Path) -> None:
    made = GitHubSettings(api_url="a", server_url="a", token_file=tmp_path, user_agent="test")
    assert made.timeout == 10.0


@pytest.mark.parametrize("call", CALLS)
def test_an_answer_without_end_is_not_read_to_the_end(github_at: Callable[..., GitHub], call: str) -> None:
    with HugeAnswer() as server, pytest.raises(GitHubNoAnswer, match="too long"):
        CALLS[call](github_at(server.url, timeout=20.0))


@pytest.mark.parametrize("kind", [*ENDLESS, HugeAnswer])
def test_an_issuer_is_given_up_as_well(kind: type[Misbehaving], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "_DOCUMENT_SECONDS", 0.5)
    with kind() as server:
        began = time.monotonic()
        with pytest.raises(IssuerUnavailable, match="no answer"):
            issuer_keys.fetch(server.url, http=HttpSettings(), user_agent="test")
        assert time.monotonic() - began < 10.0


def test_a_call_that_was_cut_off_disturbs_no_other(sandbox: Sandbox) -> None:
    """They share a client, its kept connections and its timers."""
    client = HttpClient(HttpSettings(), user_agent="test", kept=4)

    def ask(number: int) -> str:
        url = f"{sandbox.api_url}/meta" if number % 2 else slow.url
        try:
            return str(client.send("GET", url, seconds=0.3, max_bytes=10**6).status)
        except HttpFailure as exc:
            return exc.reason

    with TricklingBody() as slow, ThreadPoolExecutor(16) as pool:
        said = list(pool.map(ask, range(64)))
    assert set(said[::2]) == {"it took longer than 0.3 s"}
    assert set(said[1::2]) == {"200"}
    client.close()


@pytest.mark.parametrize("kind", [TricklingBody, TricklingLastBody])
def test_the_same_over_tls(tmp_path: Path, kind: type[Misbehaving]) -> None:
    cert, key = certificate(tmp_path, "slow")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    client = HttpClient(read(SSL_CERT_FILE=str(cert)), user_agent="test")
    server = kind()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with server:
        began = time.monotonic()
        with pytest.raises(HttpFailure, match=r"longer than 0\.5 s") as caught:
            client.send("GET", f"https://localhost:{server.server_port}/", seconds=0.5, max_bytes=10**6)
        assert time.monotonic() - began < 10.0
    assert caught.value.sent
    client.close()


# --- What is no answer of GitHub's ---


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [200, 201, 401, 403, 404, 409, 422, 429, 502, 511])
def test_a_portals_page_is_no_answer_whatever_its_status(
    github_at: Callable[..., GitHub], status: int, call: str
) -> None:
    with HtmlPortal(status) as server, pytest.raises(GitHubUnavailable) as caught:
        CALLS[call](github_at(server.url))
    assert caught.value.retryable
    if call == "register":
        assert isinstance(caught.value, GitHubNoAnswer)  # whether the runner is registered must be looked into
        assert len(server.asked) == 1


@pytest.mark.parametrize("content", [b"{}", b"[]", b""])
def test_only_204_says_that_a_registration_was_deleted(github_at: Callable[..., GitHub], content: bytes) -> None:
    with HtmlPortal(200, content) as server, pytest.raises(GitHubNoAnswer, match="not 204"):
        github_at(server.url).delete_runner(REPO, 7)


@pytest.mark.parametrize("content", [b'{"message":"Not Found"}', b""])
def test_githubs_own_404_says_that_it_is_gone_where_its_scope_is_shown(
    github_at: Callable[..., GitHub], content: bytes
) -> None:
    with EmptyScope(404, content) as server:
        assert github_at(server.url).delete_runner(REPO, 7) is False
    with HtmlPortal(404, content) as server, pytest.raises(GitHubNotFound, match="may not see it"):
        github_at(server.url).delete_runner(REPO, 7)


@pytest.mark.parametrize("status", [200, 403, 404, 503])
def test_a_scope_that_something_else_answers_for_says_nothing_of_it(
    github_at: Callable[..., GitHub], status: int
) -> None:
    with EmptyScope(404, b"{}", listed=(status, PAGE)) as server, pytest.raises(GitHubError):
        github_at(server.url).delete_runner(REPO, 7)


# --- What a 403 is about ---

WORDS = {
    "the App's installation": ("This installation has been suspended", "unsuspends"),
    "the account": ("Sorry. Your account was suspended.", "unsuspends"),
    "an IP allow list": (
        "The `octo-org` organization has an IP allow list enabled, and 192.0.2.1 is not permitted to access it.",
        "IP allow list",
    ),
    "single sign-on": ("Resource protected by organization SAML enforcement.", "Configure SSO"),
    "a permission": ("Resource not accessible by integration", "permission"),
}


@pytest.mark.parametrize(("text", "helps"), WORDS.values(), ids=WORDS)
def test_a_refusal_of_githubs_has_the_hint_that_helps(github_at: Callable[..., GitHub], text: str, helps: str) -> None:
    with HtmlPortal(403, json.dumps({"message": text}).encode()) as server:
        with pytest.raises(GitHubCredentials) as caught:
            github_at(server.url).registration_token(REPO)
        assert text in caught.value.message
        assert helps in (caught.value.hint or "")
        assert ("permission" in (caught.value.hint or "")) == (helps == "permission")


def test_a_suspended_app_is_told_as_that_to_who_creates(host: Host, sandbox: Sandbox) -> None:
    suspended = {"message": "This installation has been suspended"}
    sandbox.add_fault(Fault("access_tokens", status=403, body=suspended, times=None))
    ran = host.cli("create", "r1", "--repo", "acme/widgets")
    assert ran.returncode == 4
    assert "This installation has been suspended" in ran.stderr
    assert "unsuspends" in ran.stderr
    assert "permission" not in ran.stderr.lower()


# --- Proxies ---

PROXIED = read(HTTPS_PROXY="http://secure:1", HTTP_PROXY="http://plain:1")


@pytest.mark.parametrize(
    ("exempt", "url", "expected"),
    [
        ("", "https://api.github.com/x", "http://secure:1"),
        ("", "http://api.github.com/x", "http://plain:1"),
        ("github.com", "https://api.github.com/x", None),
        (".github.com", "https://api.github.com/x", None),
        ("*.github.com", "https://api.github.com/x", None),
        ("api.github.com", "https://api.github.com/x", None),
        ("API.GitHub.com", "https://api.github.com/x", None),
        ("hub.com", "https://api.github.com/x", "http://secure:1"),
        ("other.org, github.com", "https://api.github.com/x", None),
        ("github.com:443", "https://api.github.com/x", None),
        ("github.com:8443", "https://api.github.com/x", "http://secure:1"),
        ("*", "https://api.github.com/x", None),
        ("10.0.0.0/8", "https://10.1.2.3/x", None),
        ("10.0.0.0/8", "https://11.1.2.3/x", "http://secure:1"),
        ("10.1.2.3", "https://10.1.2.3:8443/x", None),
        ("10.1.2.3:8443", "https://10.1.2.3:8443/x", None),
        ("10.0.0.0/8", "https://ten.example/x", "http://secure:1"),
        ("[::1]", "http://[::1]:8080/x", None),
        ("[::1]:8080", "http://[::1]:8080/x", None),
        ("::1", "http://[::1]:8080/x", None),
        ("fd00::/8", "http://[fd00::7]/x", None),
    ],
)
def test_a_proxy_is_passed_by_for_what_is_exempted(exempt: str, url: str, expected: str | None) -> None:
    settings = HttpSettings.read({"NO_PROXY": exempt}, {"HTTPS_PROXY": "secure:1", "HTTP_PROXY": "http://plain:1"})
    assert proxy_for(url, settings) == expected


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
@pytest.mark.parametrize("place", ["environment", "env file"])
def test_a_proxy_is_taken_from_both_places_in_both_cases(sandbox: Sandbox, host: Host, name: str, place: str) -> None:
    with CountingProxy(sandbox.server_url) as proxy:
        changes = {"GITHUB_API_URL": _named(sandbox.api_url)}
        environment = {} if place == "env file" else {name: proxy.url}
        host.write_env_file(**changes, **({name: proxy.url} if place == "env file" else {}))
        ran = host.cli("create", "r1", "--repo", "acme/widgets", **environment)
        assert ran.returncode == 0, ran.stderr
        assert any("generate-jitconfig" in asked for asked in proxy.asked)
        seen = len(proxy.asked)
        host.write_env_file(**changes, **({name: proxy.url} if place == "env file" else {}), NO_PROXY="github.invalid")
        ran = host.cli("remove", "r1", **environment)
        assert (ran.returncode, len(proxy.asked)) == (9, seen), ran.stderr


@pytest.mark.parametrize("place", ["environment", "env file"])
def test_what_clears_up_after_a_runners_end_goes_through_the_proxy(sandbox: Sandbox, host: Host, place: str) -> None:
    with CountingProxy(sandbox.server_url) as proxy:
        named = {"HTTP_PROXY": proxy.url}
        host.write_env_file(GITHUB_API_URL=_named(sandbox.api_url), **(named if place == "env file" else {}))
        environment = {} if place == "env file" else named
        ran = host.cli("create", "r1", "--repo", "acme/widgets", "--wait", "online", **environment)
        assert ran.returncode == 0, ran.stderr
        (registered,) = sandbox.runners()
        before = len(proxy.asked)
        os.kill(int((host.base_dir / "r1" / "runner.pid").read_text()), signal.SIGKILL)
        until(lambda: sandbox.runners() == [])
        assert any(asked.startswith("DELETE") and asked.endswith(f"/{registered.id}") for asked in proxy.asked[before:])
        until(lambda: not host.reapers())


def test_certificates_and_proxies_of_the_env_file_count_for_tls(
    tmp_path: Path, sandbox: Sandbox, github_at: Callable[..., GitHub]
) -> None:
    cert, key = certificate(tmp_path, "github")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = HtmlPortal(404, b'{"message":"Not Found"}')
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with server, CountingProxy(server.url) as proxy:
        url = f"https://localhost:{server.server_port}"
        for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            http = read(HTTPS_PROXY=proxy.url, **{variable: str(cert)})
            assert github_at(url, http=http, timeout=20.0).get_runner(REPO, 7) is None
        with pytest.raises(GitHubUnavailable, match="certificate is not trusted"):
            github_at(url, http=read(HTTPS_PROXY=proxy.url), timeout=20.0).get_runner(REPO, 7)
        assert set(proxy.asked) == {f"CONNECT localhost:{server.server_port}"}
        assert len(server.asked) == 2


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_credentials_gets_those_of_its_address_or_is_named(
    tmp_path: Path, github_at: Callable[..., GitHub], scheme: str
) -> None:
    cert, key = certificate(tmp_path, "github")
    server = HtmlPortal(404, b'{"message":"Not Found"}')
    if scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    wanted = "Basic " + base64.b64encode(b"me:p@ss").decode()
    with server, CountingProxy(server.url, credentials=wanted) as proxy:
        url = f"{scheme}://localhost:{server.server_port}"
        for userinfo, fits in (("me:p%40ss@", True), ("", False), ("me:hunter2@", False)):
            address = f"http://{userinfo}127.0.0.1:{proxy.server_port}"
            github = github_at(url, http=read(HTTP_PROXY=address, HTTPS_PROXY=address, SSL_CERT_FILE=str(cert)))
            if fits:
                assert github.get_runner(REPO, 7) is None
                continue
            says = "refuses the user and password" if userinfo else "asks for user and password"
            with pytest.raises(GitHubUnavailable, match=f"the proxy 127.0.0.1:{proxy.server_port} {says}") as caught:
                github.generate_jitconfig(REPO, name="r1", group_id=1, labels=("r1",), workdir="_work")
            assert type(caught.value) is GitHubUnavailable  # nothing reached GitHub
            assert caught.value.hint == "Set them in HTTPS_PROXY"
            assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"
        assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"<html>Authentication required</html>", b'{"message": "who are you?"}', b""])
def test_a_407_is_the_proxys_whatever_it_looks_like(github_at: Callable[..., GitHub], body: bytes) -> None:
    with HtmlPortal(407, body) as proxy:
        address = f"http://me:hunter2@127.0.0.1:{proxy.server_port}"
        github = github_at("http://github.invalid", http=read(HTTP_PROXY=address))
        with pytest.raises(GitHubUnavailable, match="refuses the user and password") as caught:
            github.get_runner(REPO, 7)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("address", ["socks5://me:hunter2@proxy:1080", "http://", "http://me:hunter2@", "http://a b:1"])
def test_a_proxy_that_cannot_be_one_is_refused_by_its_name_alone(address: str) -> None:
    with pytest.raises(ConfigInvalid, match="HTTPS_PROXY") as caught:
        read(HTTPS_PROXY=address)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_the_environment_wins_over_the_env_file_and_small_letters_over_capital_ones() -> None:
    both = HttpSettings.read({"HTTPS_PROXY": "http://a:1"}, {"https_proxy": "http://b:1", "HTTP_PROXY": "http://c:1"})
    assert (both.https_proxy, both.http_proxy) == ("http://a:1", "http://c:1")
    assert HttpSettings.read({"HTTPS_PROXY": "http://a:1", "https_proxy": "b:1"}, {}).https_proxy == "http://b:1"
    assert HttpSettings.read({"HTTPS_PROXY": ""}, {"HTTPS_PROXY": "http://b:1"}).https_proxy == "http://b:1"
    assert "http://a:1" not in repr(both)


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_certificates_that_cannot_be_used_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    client = HttpClient(read(SSL_CERT_FILE=str(path)), user_agent="test")
    with pytest.raises(ConfigInvalid, match=r"SSL_CERT_FILE names '.*ca\.pem'"):
        client.send("GET", "https://localhost:1/", seconds=1.0, max_bytes=10)


def test_certificates_that_were_renewed_count_from_then_on(tmp_path: Path, github_at: Callable[..., GitHub]) -> None:
    (tmp_path / "old").mkdir()
    old, _ = certificate(tmp_path / "old", "github")
    cert, key = certificate(tmp_path, "github")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = EmptyScope(404, b"{}")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    trusted = tmp_path / "ca.pem"
    shutil.copy(old, trusted)
    with server:
        url = f"https://localhost:{server.server_port}"
        github = github_at(url, http=read(SSL_CERT_FILE=str(trusted)), timeout=20.0)
        with pytest.raises(GitHubUnavailable, match="certificate is not trusted"):
            github.list_runners(REPO)
        shutil.copy(cert, trusted)
        assert github.list_runners(REPO) == []


# --- What nobody is told ---


def test_no_issuer_is_told_what_netrc_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_netrc(tmp_path, monkeypatch)
    with HtmlPortal() as server, pytest.raises(IssuerUnavailable, match="not JSON"):
        issuer_keys.fetch(server.url, http=HttpSettings(), user_agent="test")
    assert [headers.get("Authorization") for headers in server.headers] == [None]


def test_nothing_of_netrc_leaves_a_command(
    host: Host, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_netrc(tmp_path, monkeypatch)
    with CountingProxy(sandbox.server_url) as proxy:
        host.write_env_file(GITHUB_API_URL=_named(sandbox.api_url), HTTP_PROXY=proxy.url)
        assert host.cli("create", "r1", "--repo", "acme/widgets").returncode == 0
        assert host.cli("remove", "r1", "--force").returncode == 0
    sent = [headers.get("Authorization", "") for headers in proxy.headers]
    assert sent
    assert not [text for text in sent if text.startswith("Basic")]


def _named(url: str) -> str:
    """The same address at a host that only a proxy can know."""
    path = url.partition("://")[2].partition("/")
    return f"http://github.invalid{path[1]}{path[2]}"
