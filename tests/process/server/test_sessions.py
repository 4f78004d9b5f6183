"""Browsers' sessions: a cookie instead of a token, for as long as the token counts; and nothing for pages of others."""

from __future__ import annotations

import re
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from runnerctl.core.access import issuing, sessions
from runnerctl.core.access.grants import TokenLimits
from runnerctl.core.access.policy import Right
from runnerctl.core.services import Services
from tests.support.hosts.certificates import certificate
from tests.support.hosts.host import Host, Server, until
from tests.support.sandboxes.strictness import strict_sandbox

SETTINGS = {"RUNNERCTL_TRUSTED_PROXIES": "127.0.0.1", "RUNNERCTL_HOSTS": "ci.example.com"}
ACME = TokenLimits(tenant="acme", repositories=("acme/*",), labels=("linux",))
GLOBEX = TokenLimits(tenant="globex", repositories=("globex/*",), labels=("linux",))


class Browser:
    """One that has logged in, and sends what browsers send."""

    def __init__(self, url: str, token: str, *, verify: Any = True, **headers: str) -> None:
        self.url = url
        self.verify = verify
        # Each is somewhere else, so that none waits for the failures of another.
        source = ".".join(str(secrets.randbelow(256)) for _ in range(4))
        self.headers = {"Sec-Fetch-Site": "same-origin", "X-Forwarded-For": source, **headers}
        self.login = self._ask("POST", "/api/v1/session", Authorization=f"Bearer {token}")
        self.cookies = {name: morsel.value for name, morsel in self.set_cookies(self.login).items()}
        self.csrf = self.login.json().get("csrf_token") if self.login.ok else None

    @staticmethod
    def set_cookies(answer: requests.Response) -> Mapping[str, Morsel[str]]:
        return SimpleCookie(answer.headers.get("Set-Cookie", ""))

    def _ask(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        told = {name: value for name, value in {**self.headers, **headers}.items() if value}
        return requests.request(
            method, f"{self.url}{path}", json=body, headers=told, verify=self.verify, timeout=60, allow_redirects=False
        )

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        told = {"Cookie": cookie, "X-CSRF-Token": self.csrf or "", **headers}
        return self._ask(method, path, body, **told)

    def id(self) -> str:
        return str(self.login.json()["session"]["id"])

    @property
    def is_in(self) -> bool:
        return self.ask("GET", "/api/v1/whoami").status_code == 200


class Place(NamedTuple):
    server: Server
    services: Services
    host: Host

    def token(self, limits: TokenLimits = ACME, *rights: Right, **options: Any) -> tuple[str, str]:
        kept, token = issuing.issue(
            self.services, f"t-{secrets.token_hex(4)}", rights=rights or tuple(Right), limits=limits, **options
        )
        return kept.id, token

    def operator(self, **headers: str) -> Browser:
        return Browser(self.server.url, self.host.token, **headers)

    def tenant(self, limits: TokenLimits = ACME) -> Browser:
        return Browser(self.server.url, self.token(limits)[1])


@pytest.fixture(scope="module")
def place(archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with strict_sandbox(archive=archive) as sandbox:
        top = tmp_path_factory.mktemp("place")
        host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        host.write_env_file(**SETTINGS)
        server, services = Server.start(host, {}), host.services()
        yield Place(server, services, host)
        services.close()
        server.stop()
        host.kill_everything()


def code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


# --- Logging in ---


def test_a_token_becomes_a_cookie_that_opens_what_the_token_opens(place: Place) -> None:
    for browser, actor in ((place.operator(), "operator"), (place.tenant(), "token:")):
        assert browser.login.status_code == 201
        assert browser.ask("GET", "/api/v1/whoami").json()["actor"].startswith(actor)
    mine = place.tenant().ask("GET", "/api/v1/whoami").json()
    assert mine["limits"]["tenant"] == "acme"


def test_the_cookie_is_hidden_from_pages_and_sent_by_none_of_another_site(place: Place) -> None:
    (cookie,) = Browser.set_cookies(place.operator().login).values()
    port = place.server.url.rpartition(":")[2]
    assert cookie.key == f"runnerctl-{port}"  # two servers behind one name each have theirs
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "Strict", "/", "")
    assert 0 < int(cookie["max-age"]) <= 7 * 86400
    assert cookie["domain"] == ""


def test_behind_a_proxy_that_speaks_tls_the_cookie_is_for_tls_alone(place: Place) -> None:
    for name, prefix in (("ci.example.com", "__Host-runnerctl"), ("ci.example.com:444", "__Host-runnerctl-444")):
        browser = place.operator(**{"X-Forwarded-Proto": "https", "Host": name})
        (cookie,) = Browser.set_cookies(browser.login).values()
        assert (cookie.key, cookie["secure"]) == (prefix, True)
        assert browser.is_in
    assert list(place.operator(Host="ci.example.com").cookies) == ["runnerctl"]


def test_over_tls_the_cookie_is_for_tls_and_this_host_alone(host: Host, serve: Callable[..., Server]) -> None:
    authority, key = certificate(host.top, "authority")
    server = serve(RUNNERCTL_TLS_CERT=str(authority), RUNNERCTL_TLS_KEY=str(key))
    port = server.url.rpartition(":")[2]
    browser = Browser(f"https://localhost:{port}", host.token, verify=str(authority))
    (cookie,) = Browser.set_cookies(browser.login).values()
    assert (cookie.key, cookie["secure"], cookie["httponly"]) == (f"__Host-runnerctl-{port}", True, True)
    assert (cookie["path"], cookie["domain"]) == ("/", "")
    assert browser.is_in
    browser.cookies = {f"runnerctl-{port}": browser.cookies[f"__Host-runnerctl-{port}"]}
    assert not browser.is_in  # a name that a page without TLS could set does not count


def test_a_wrong_token_is_refused_and_held_back_like_any(place: Place) -> None:
    refused = [Browser(place.server.url, "wrong", **{"X-Forwarded-For": "192.0.2.1"}).login for _ in range(6)]
    assert {code(each) for each in refused} == {(401, "unauthorized")}
    assert not any("Set-Cookie" in each.headers for each in refused)
    assert refused[-1].elapsed.total_seconds() > 0.6  # 20 ms at first, twice as long each time


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic b3A6eA=="}], ids=["none", "another scheme"])
def test_no_session_begins_without_a_token(place: Place, headers: dict[str, str]) -> None:
    answer = requests.post(f"{place.server.url}/api/v1/session", headers=headers, timeout=60)
    assert code(answer) == (401, "unauthorized")


def test_neither_cookie_nor_token_is_in_the_state_directory_or_the_log(place: Place) -> None:
    _, token = place.token()
    browser = Browser(place.server.url, token)
    (secret,) = browser.cookies.values()
    assert len(secret) == 64
    kept = b"".join(path.read_bytes() for path in place.host.state_dir.rglob("*") if path.is_file())
    for each in (secret, token, browser.csrf or "", place.host.token):
        assert each.encode() not in kept
        assert each not in place.server.log.read_text()


# --- What ends a session ---


def test_a_session_ends_with_its_token(place: Place) -> None:
    token_id, token = place.token()
    first, other = Browser(place.server.url, token), place.tenant()
    assert first.is_in
    issuing.revoke(place.services, token_id)
    assert code(first.ask("GET", "/api/v1/whoami")) == (401, "unauthorized")
    assert other.is_in


def test_a_session_ends_when_its_token_is_rotated_or_expires(place: Place) -> None:
    token_id, token = place.token()
    browser = Browser(place.server.url, token)
    _, new = issuing.rotate(place.services, token_id)
    assert not browser.is_in
    assert Browser(place.server.url, new).is_in
    _, short = place.token(life=2.0)
    browser = Browser(place.server.url, short)
    assert browser.login.status_code == 201
    until(lambda: not browser.is_in)


def test_the_operators_sessions_end_when_another_token_is_the_operators(place: Place) -> None:
    browser, tenant = place.operator(), place.tenant()
    place.host.write_env_file(**SETTINGS, GITHUB_WFA_RUNNER_SERVER__API_TOKEN=secrets.token_hex(16))
    place.server.signal(signal.SIGHUP)
    try:
        until(lambda: not browser.is_in)
        assert tenant.is_in
        until(lambda: all(each.token_id for each in place.services.store.sessions(idle=1e9)))
    finally:
        place.host.write_env_file(**SETTINGS)
        place.server.signal(signal.SIGHUP)
        until(lambda: place.operator().login.status_code == 201)
    assert not browser.is_in


def test_a_session_survives_a_restart_of_the_server_unless_the_token_changed(
    host: Host, serve: Callable[..., Server]
) -> None:
    port = 18080 + secrets.randbelow(20000)
    server = serve(GITHUB_WFA_RUNNER_SERVER__BIND=f"127.0.0.1:{port}")
    browser = Browser(server.url, host.token, **{"X-Forwarded-Proto": "https"})
    assert list(browser.cookies) == [f"runnerctl-{port}"]  # nobody believes a stranger that he came by TLS
    server.stop()
    server = serve(GITHUB_WFA_RUNNER_SERVER__BIND=f"127.0.0.1:{port}")
    assert browser.is_in
    server.stop()
    host.write_env_file(GITHUB_WFA_RUNNER_SERVER__API_TOKEN=secrets.token_hex(16))
    serve(GITHUB_WFA_RUNNER_SERVER__BIND=f"127.0.0.1:{port}")
    assert not browser.is_in


def test_idle_and_old_sessions_end(place: Place) -> None:
    idle, old = place.operator(), place.operator()
    with place.services.store._transaction() as db:
        db.execute("UPDATE session SET last_used_at = last_used_at - 43200 WHERE id = ?", (idle.id(),))
        db.execute("UPDATE session SET expires_at = expires_at - 7 * 86400 WHERE id = ?", (old.id(),))
    assert (idle.is_in, old.is_in) == (False, False)
    shown = {each["id"] for each in place.operator().ask("GET", "/api/v1/sessions").json()["items"]}
    assert not shown & {idle.id(), old.id()}


def test_logging_out_ends_the_session_and_takes_the_cookie_back(place: Place) -> None:
    browser, other = place.operator(), place.operator()
    answer = browser.ask("DELETE", "/api/v1/session")
    (cookie,) = Browser.set_cookies(answer).values()
    assert (answer.status_code, cookie.value, cookie["max-age"]) == (200, "", "0")
    assert (browser.is_in, other.is_in) == (False, True)
    assert browser.ask("GET", "/api/v1/session").json() == {"session": None, "csrf_token": None}


def test_a_caller_has_so_many_sessions_and_the_longest_unused_ends_for_another(place: Place) -> None:
    token_id, token = place.token()
    browsers = [Browser(place.server.url, token) for _ in range(sessions.MOST_OF_ONE + 2)]
    assert [each.is_in for each in browsers] == [False] * 2 + [True] * sessions.MOST_OF_ONE
    kept = [each for each in place.services.store.sessions(idle=1e9) if each.token_id == token_id]
    assert len(kept) == sessions.MOST_OF_ONE


# --- The list ---


def test_a_caller_sees_and_ends_sessions_of_its_token_and_the_operator_all(place: Place) -> None:
    operator, globex = place.operator(), place.tenant(GLOBEX)
    _, token = place.token()
    mine, elsewhere = Browser(place.server.url, token), Browser(place.server.url, token, **{"User-Agent": "Phone/1.0"})
    shown = mine.ask("GET", "/api/v1/sessions").json()["items"]
    assert {each["id"]: each["current"] for each in shown} == {mine.id(): True, elsewhere.id(): False}
    assert {each["browser"] for each in shown if not each["current"]} == {"Phone/1.0"}
    assert code(globex.ask("DELETE", f"/api/v1/sessions/{mine.id()}")) == (404, "session_not_found")
    assert mine.ask("DELETE", f"/api/v1/sessions/{elsewhere.id()}").status_code == 200
    assert (mine.is_in, elsewhere.is_in) == (True, False)
    everybodys = {each["id"] for each in operator.ask("GET", "/api/v1/sessions").json()["items"]}
    assert everybodys >= {operator.id(), mine.id(), globex.id()}
    assert operator.ask("DELETE", f"/api/v1/sessions/{mine.id()}").status_code == 200
    assert not mine.is_in


def test_beginnings_and_ends_of_sessions_are_in_the_audit_log(place: Place) -> None:
    browser = place.operator()
    browser.ask("DELETE", "/api/v1/session")
    log = (place.host.state_dir / "audit.log").read_text()
    told = re.findall(rf'"action": "(session\.\w+)", "object": "{browser.id()}"', log)
    assert told == ["session.begin", "session.leave"]


# --- Pages of other sites ---


CHANGES = [
    ("POST", "/api/v1/runners", {"repo": "acme/widgets", "name": "csrf-1"}),
    ("DELETE", "/api/v1/runners/csrf-1", None),
    ("POST", "/api/v1/runners/csrf-1/stop", None),
    ("DELETE", "/api/v1/session", None),
]


@pytest.mark.parametrize(
    "forged",
    [
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "0" * 64},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of localhost is the same site
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "", "Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "", "Origin": "null"},
        {"Sec-Fetch-Site": "", "Origin": "http://localhost:1"},
    ],
    ids=str,
)
def test_a_change_that_a_page_of_another_site_has_the_browser_send_is_refused(
    place: Place, forged: dict[str, str]
) -> None:
    browser = place.operator()
    for method, path, body in CHANGES:
        assert code(browser.ask(method, path, body, **forged)) == (403, "forbidden"), (method, path)
    assert place.services.store.latest("csrf-1") is None
    assert browser.is_in


def test_another_browsers_csrf_token_is_not_this_ones(place: Place) -> None:
    mine, other = place.operator(), place.operator()
    mine.csrf, other.csrf = other.csrf, mine.csrf
    assert code(mine.ask("DELETE", "/api/v1/session")) == (403, "forbidden")


def test_the_csrf_token_is_told_to_the_own_page_alone(place: Place) -> None:
    browser = place.operator()
    assert browser.ask("GET", "/api/v1/session").json()["csrf_token"] == browser.csrf
    assert code(browser.ask("GET", "/api/v1/session", **{"Sec-Fetch-Site": "cross-site"})) == (403, "forbidden")
    assert "Access-Control-Allow-Origin" not in browser.ask("GET", "/api/v1/session", Origin="http://e.example").headers


def test_an_own_origin_counts_where_the_browser_says_no_more(place: Place) -> None:
    browser = place.operator()
    origin = {"Sec-Fetch-Site": "", "Origin": place.server.url}
    assert browser.ask("DELETE", "/api/v1/session", **origin).status_code == 200


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1"])
def test_a_name_that_is_not_ours_gets_no_page_and_no_session(place: Place, name: str) -> None:
    browser = place.operator()
    port = place.server.url.rpartition(":")[2]
    rebound = {"Host": f"{name}:{port}"}
    for path in ("/", "/static/index.html"):
        answer = requests.get(f"{place.server.url}{path}", headers=rebound, timeout=60)
        assert code(answer) == (403, "forbidden")
    assert code(Browser(place.server.url, place.host.token, **rebound).login) == (403, "forbidden")
    assert code(browser.ask("GET", "/api/v1/runners", **rebound)) in {(403, "forbidden"), (401, "unauthorized")}
    told = place.server.request("GET", "/api/v1/runners", headers=rebound)
    assert told.status_code == 200  # a bearer token is nothing that a browser sends by itself


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "[::1]", "192.0.2.7"])
def test_localhost_and_addresses_are_ours(place: Place, name: str) -> None:
    port = place.server.url.rpartition(":")[2]
    for host in (name, f"{name}:{port}"):
        assert requests.get(place.server.url, headers={"Host": host}, timeout=60).status_code == 200


# --- What it opens ---


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_session_that_ended_is_told_from_none_by_nobody_else(place: Place, method: str) -> None:
    browser = place.operator()
    browser.cookies = dict.fromkeys(browser.cookies, "f" * 64)
    for path in ("/api/v1/runners", "/api/v1/host", "/api/v1/sessions"):
        assert browser.ask(method, path).status_code == 401


def test_the_host_is_shown_to_its_operator_alone(place: Place) -> None:
    told = place.operator().ask("GET", "/api/v1/host").json()
    assert told["memory"]["total_bytes"] > told["memory"]["available_bytes"] > 0
    assert {what for disk in told["disks"] for what in disk["holds"]} == {"runners", "state", "packages"}
    assert told["processors"]["count"] > 0
    assert code(place.tenant().ask("GET", "/api/v1/host")) == (403, "forbidden")


def test_what_runners_take_is_told_to_whose_they_are(place: Place) -> None:
    operator, acme, globex = place.operator(), place.tenant(), place.tenant(GLOBEX)
    body = {"repo": "acme/widgets", "name": "hungry", "labels": "linux", "wait": "started"}
    assert acme.ask("POST", "/api/v1/runners", body).status_code == 201

    def taken(browser: Browser) -> dict[str, Any]:
        return {each["name"]: each for each in browser.ask("GET", "/api/v1/runners:usage").json()["items"]}

    try:
        until(lambda: "hungry" in taken(acme))
        assert taken(operator)["hungry"]["memory_bytes"] > 1_000_000
        assert taken(operator)["hungry"]["cpu_seconds"] >= 0
        assert "hungry" not in taken(globex)
    finally:
        assert acme.ask("DELETE", "/api/v1/runners/hungry?force=true").status_code == 200


def test_a_stream_ends_with_its_session(place: Place) -> None:
    browser, other = place.tenant(), place.operator()
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {"Cookie": cookie, "Accept": "text/event-stream", "Sec-Fetch-Site": "same-origin"}
    with requests.get(f"{place.server.url}/api/v1/events", headers=headers, stream=True, timeout=30) as stream:
        lines = stream.iter_lines(chunk_size=1, decode_unicode=True)
        assert any(line.startswith("event: position") for line in lines)
        assert other.ask("DELETE", f"/api/v1/sessions/{browser.id()}").status_code == 200
        assert '"reason":"unauthorized"' in "\n".join(lines)  # to the end
