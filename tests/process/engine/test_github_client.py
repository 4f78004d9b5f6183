"""The client against a small GitHub on a real socket, and against ones with vices."""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.errors import (
    ConfigInvalid,
    GitHubBusy,
    GitHubConflict,
    GitHubCredentials,
    GitHubError,
    GitHubNoAnswer,
    GitHubNotFound,
    GitHubRateLimited,
    GitHubRefused,
    GitHubUnavailable,
)
from runnerctl.core.domain.models import Scope
from runnerctl.core.github.client import GitHub
from runnerctl.core.github.config import GitHubSettings
from runnerctl.core.http.settings import HttpSettings
from runnerctl.core.settings.private_key import load_private_key
from runnerctl.sandbox import Fault, Sandbox

REPO = Scope(owner="octo-org", repo="octo-repo")
OTHER = Scope(owner="octo-org", repo="other")
ORG = Scope(owner="octo-org")
APP_ID = "1234"
JIT = {"name": "r1", "group_id": 1, "labels": ("self-hosted", "r1"), "workdir": "_work"}
TOO_FAR = "'Expiration time' claim ('exp') is too far in the future"


def pem_of(key, *, encryption=None):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption(),
    ).decode()


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = pem_of(KEY)


class Call:
    def __init__(self, method, target, headers, body):
        url = urlsplit(target)
        self.method, self.path, self.query = method, url.path.strip("/"), parse_qs(url.query)
        self.target, self.headers, self.body = target, headers, body
        self.bearer = (headers.get("Authorization") or "").removeprefix("Bearer ")

    def __repr__(self):
        return f"{self.method} {self.path}"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Drop(Exception):
    """Close the connection without a word."""


class FakeGitHub:
    """As GitHub should be: checks the App's signature, hands out tokens, keeps runners."""

    skew = 0.0
    scheme = "http"

    def __init__(self):
        self.log = []
        self.tokens = {}
        self.runners = {}
        self.installations = {"repos/octo-org/octo-repo": 5, "repos/octo-org/other": 5, "orgs/octo-org": 5}
        self.groups = [{"id": 1, "name": "Default"}, {"id": 7, "name": "Heavy"}]
        self.lock = threading.Lock()
        self.server = Server(("127.0.0.1", 0), self._handler())
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"{self.scheme}://{self.host}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def now(self):
        return time.time() + self.skew

    def paths(self, ending=""):
        return [repr(call) for call in self.log if call.path.endswith(ending)]

    def answer(self, call):
        """(status, body, headers); overridden by the vices."""
        if call.path.endswith(("/installation", "/access_tokens")):
            return self.as_app(call)
        if call.path.startswith("repos/actions/runner/releases"):
            return self.release(call)
        if call.bearer not in self.tokens:
            return 401, {"message": "Bad credentials"}, {}
        return self.as_installation(call)

    def as_app(self, call):
        try:
            key, options = KEY.public_key(), {"verify_exp": False, "verify_iat": False}
            claims = jwt.decode(call.bearer, key, algorithms=["RS256"], options=options)
        except jwt.InvalidTokenError:
            return 401, {"message": "A JSON web token could not be decoded"}, {}
        if claims["iss"] != APP_ID:
            return 404, {"message": "Integration not found"}, {}
        if claims["exp"] > self.now() + 600 or claims["exp"] < self.now() or claims["iat"] > self.now():
            return 401, {"message": TOO_FAR}, {}
        return self.installation(call) if call.path.endswith("/installation") else self.mint(call)

    def installation(self, call):
        found = self.installations.get(call.path.removesuffix("/installation"))
        return (200, {"id": found, "account": {}}, {}) if found else (404, {"message": "Not Found"}, {})

    def mint(self, call):
        if int(call.path.split("/")[2]) not in self.installations.values():
            return 404, {"message": "Not Found"}, {}
        token = f"ghs_1234567_h.p.{len(self.tokens):0500d}"
        self.tokens[token] = 0
        expires = datetime.fromtimestamp(self.now() + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return 201, {"token": token, "expires_at": expires, "permissions": {}}, {}

    def release(self, call):
        if call.path.endswith(("latest", "v2.336.0")):
            return 200, {"tag_name": "v2.336.0", "body": "notes", "assets": []}, {}
        return 404, {"message": "Not Found"}, {}

    def as_installation(self, call):
        tail = call.path.split("/actions/")[-1]
        if tail == "runners/generate-jitconfig":
            return self.register(json.loads(call.body))
        if tail in {"runners/registration-token", "runners/remove-token"}:
            return 201, {"token": f"T-{tail}", "expires_at": "2026-11-24T07:00:00Z"}, {}
        if tail == "runners/downloads":
            entry = {"os": "linux", "architecture": "x64", "download_url": "http://d", "filename": "f.tar.gz"}
            return 200, [entry], {}
        if tail == "runner-groups":
            return 200, {"total_count": 2, "runner_groups": self.groups}, {}
        if tail == "runners":
            return self.listing(call)
        return self.one(call, int(tail.split("/")[1]))

    def register(self, body):
        if body["name"].lower() in {r["name"].lower() for r in self.runners.values()}:
            return 409, {"message": f"Already exists - A runner with the name {body['name']} already exists."}, {}
        runner = {
            "id": len(self.runners) + 42,
            "name": body["name"],
            "os": "unknown",
            "status": "offline",
            "busy": False,
            "labels": [{"name": label, "type": "custom"} for label in body["labels"]],
            "runner_group_id": body["runner_group_id"],
        }
        self.runners[runner["id"]] = runner
        return 201, {"runner": runner, "encoded_jit_config": "c2VjcmV0"}, {}

    def listing(self, call):
        """Pages of two, linked by an address that is not the one asked for."""
        page = int(call.query.get("page", ["1"])[0])
        names = call.query.get("name")
        found = [r for r in self.runners.values() if not names or r["name"].lower() == names[0].lower()]
        shown = found[2 * page - 2 : 2 * page]
        etag = f'"{hash(json.dumps(shown))}"'
        headers = {"ETag": etag}
        if len(found) > 2 * page:
            headers["Link"] = f'<{self.url}/repositories/9/actions/runners?page={page + 1}>; rel="next"'
        if call.headers.get("If-None-Match") == etag:
            return 304, None, headers
        return 200, {"total_count": len(found), "runners": shown}, headers

    def one(self, call, runner_id):
        runner = self.runners.get(runner_id)
        if runner is None:
            return 404, {"message": "Not Found"}, {}
        if call.method == "GET":
            return 200, runner, {}
        if runner["busy"]:
            return 422, {"message": 'Bad request - Runner "r1" is still running a job"'}, {}
        del self.runners[runner_id]
        return 204, None, {}

    def _handler(fake):  # noqa: N805 — the handler's self is the request's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                call = Call(self.command, self.path, self.headers, body)
                try:
                    with fake.lock:
                        fake.log.append(call)
                        status, content, headers = fake.answer(call)
                except Drop:
                    self.close_connection = True
                    return
                raw = content if isinstance(content, bytes) else json.dumps(content).encode() if content else b""
                headers = {"Content-Length": str(len(raw)), "Date": formatdate(fake.now(), usegmt=True), **headers}
                lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
                self.wfile.write("\r\n".join(lines).encode() + raw)

            def __getattr__(self, name):
                if name in {"do_GET", "do_POST", "do_DELETE"}:
                    return self.handle_one
                raise AttributeError(name)

            def log_message(self, *args):
                pass

        return Handler


class LostAnswer(FakeGitHub):
    """Carries out what it is asked, and hangs up instead of answering."""

    lost = ("generate-jitconfig",)

    def answer(self, call):
        reply = super().answer(call)
        if call.path.endswith(self.lost):
            raise Drop
        return reply


class DropsConnection(FakeGitHub):
    """Hangs up on the first few calls."""

    times = 2

    def answer(self, call):
        if call.bearer in self.tokens and self.times:
            self.times -= 1
            raise Drop
        return super().answer(call)


class Failing(FakeGitHub):
    """Answers 502 with a page of a proxy for the first few calls."""

    times, status, headers = 2, 502, {}

    def answer(self, call):
        if call.bearer in self.tokens and self.times:
            self.times -= 1
            return self.status, b"<html>", self.headers
        return super().answer(call)


class AnswersTooLate(FakeGitHub):
    """Carries out a registration, and answers when nobody waits any more."""

    def __init__(self):
        self.given_up = threading.Event()
        super().__init__()

    def answer(self, call):
        reply = super().answer(call)
        if call.path.endswith("generate-jitconfig"):
            self.given_up.wait(5)
        return reply


class CutsShort(FakeGitHub):
    """Breaks off within the body."""

    def answer(self, call):
        status, content, headers = super().answer(call)
        if call.path.endswith("generate-jitconfig"):
            return status, content, {"Content-Length": "100000", "Connection": "close"}
        return status, content, headers


class SkewedClock(FakeGitHub):
    """Its clock is an hour ahead of ours, or ours behind it."""

    skew = 3600.0


class ExpiringTokens(FakeGitHub):
    """Its tokens are revoked after two calls."""

    def answer(self, call):
        if call.bearer in self.tokens:
            self.tokens[call.bearer] += 1
            if self.tokens[call.bearer] > 2:
                return 401, {"message": "Bad credentials"}, {}
        return super().answer(call)


class RefusesEveryToken(FakeGitHub):
    def as_installation(self, call):
        return 401, {"message": f"Bad credentials: {call.headers['Authorization']}"}, {}


class RateLimited(FakeGitHub):
    def as_installation(self, _):
        return 403, {"message": "You have exceeded a secondary rate limit."}, {"Retry-After": "77"}


class SlowMint(FakeGitHub):
    """Takes its time over tokens, so that whoever needs one meets the others."""

    def mint(self, call):
        time.sleep(0.2)
        return super().mint(call)


class Moved(FakeGitHub):
    """The repository was renamed: every call is sent on."""

    target = "/repositories/9/{tail}"
    ask_again = 1

    def answer(self, call):
        if call.path.startswith("repos/octo-org/octo-repo/actions") and self.ask_again:
            tail = call.path.removeprefix("repos/octo-org/octo-repo/")
            return 307, b"", {"Location": self.target.format(tail=tail)}
        return super().answer(call)


class EndlessPages(FakeGitHub):
    def listing(self, _):
        return 200, {"runners": []}, {"Link": f'<{self.url}/repositories/9/actions/runners?page=2>; rel="next"'}


class PagesElsewhere(FakeGitHub):
    def listing(self, _):
        return 200, {"runners": []}, {"Link": '<http://localhost:1/collect>; rel="next"'}


class HurriedClock(SystemClock):
    """Sleeps hardly at all, and remembers how long it was to sleep."""

    def __init__(self):
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)
        time.sleep(min(seconds, 0.005))


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.endswith("CA_BUNDLE"):
            monkeypatch.delenv(name)


@pytest.fixture
def given(tmp_path):
    """Starts a GitHub of some kind and a client of it."""
    opened = []

    def start(kind=FakeGitHub, **settings):
        fake = kind() if isinstance(kind, type) else kind
        client = client_of(tmp_path, fake.url, **settings)
        opened.extend([client] if fake in opened else [client, fake])
        return fake, client

    yield start
    for one in opened:
        one.close()


def client_of(directory, url, *, clock=None, **settings):
    values = {
        "api_url": url,
        "server_url": url,
        "app_id": APP_ID,
        "private_key_pem": PEM,
        "token_file": directory / "tokens",
        "user_agent": "runnerctl/test",
        "http": HttpSettings.read(os.environ, {}),
        "timeout": 4.0,
    }
    return GitHub(GitHubSettings(**(values | settings)), clock=clock or HurriedClock(), rng=random.Random(1))


def test_a_cold_create_costs_three_calls_and_a_warm_one_costs_one(given):
    fake, github = given()
    jit = github.generate_jitconfig(REPO, **JIT)
    assert (jit.encoded, jit.runner.id, jit.runner.labels) == ("c2VjcmV0", 42, ("self-hosted", "r1"))
    assert (jit.runner.status, jit.runner.version, jit.runner.group_id) == ("offline", None, 1)
    assert github.calls == len(fake.log) == 3
    github.generate_jitconfig(REPO, **JIT | {"name": "r2"})
    assert github.calls == len(fake.log) == 4


def test_a_later_command_finds_the_token_of_the_first(given):
    fake, github = given()
    github.registration_token(REPO)
    _, later = given(fake)
    assert later.registration_token(REPO) == "T-runners/registration-token"
    assert later.calls == 1


def test_scopes_of_one_installation_share_its_token(given):
    fake, github = given()
    github.registration_token(REPO)
    github.registration_token(OTHER)
    assert len(fake.paths("access_tokens")) == 1


def test_a_configured_installation_is_not_looked_up(given):
    fake, github = given(installation_id=5)
    github.registration_token(ORG)
    assert fake.paths() == [
        "POST app/installations/5/access_tokens",
        "POST orgs/octo-org/actions/runners/registration-token",
    ]


def test_a_personal_access_token_needs_no_other_call(given):
    fake, github = given(app_id=None, pat="github_pat_x")
    fake.tokens["github_pat_x"] = 0
    assert github.remove_token(REPO) == "T-runners/remove-token"
    assert github.calls == 1


def test_without_credentials_nothing_is_sent(given):
    fake, github = given(app_id=None)
    with pytest.raises(GitHubCredentials, match="No GitHub credentials are set"):
        github.registration_token(REPO)
    assert fake.log == []


def test_every_call_says_who_it_is_and_which_api_it_wants(given):
    fake, github = given()
    github.registration_token(REPO)
    for call in fake.log:
        assert call.headers["Accept"] == "application/vnd.github+json"
        assert call.headers["X-GitHub-Api-Version"] == "2022-11-28"
        assert call.headers["User-Agent"] == "runnerctl/test"


def test_the_app_signs_for_less_than_ten_minutes_and_a_minute_back(given):
    fake, github = given()
    github.registration_token(REPO)
    claims = jwt.decode(fake.log[0].bearer, options={"verify_signature": False})
    assert set(claims) == {"iat", "exp", "iss"}
    assert claims["exp"] - claims["iat"] == 600
    assert abs(claims["iat"] + 60 - time.time()) < 10


def test_threads_that_need_a_token_at_once_make_one(given):
    fake, github = given(SlowMint)
    barrier = threading.Barrier(32)

    def register(number):
        barrier.wait()
        return github.generate_jitconfig(REPO if number % 2 else OTHER, **JIT | {"name": f"r{number}"})

    with ThreadPoolExecutor(32) as pool:
        assert len({jit.runner.id for jit in pool.map(register, range(32))}) == 32
    assert len(fake.paths("access_tokens")) == 1
    assert len(fake.log) == github.calls == 32 + 1 + 2


def test_processes_that_need_a_token_at_once_make_one(given, tmp_path):
    fake, _ = given(SlowMint)
    (tmp_path / "key.pem").write_text(PEM)
    script = f"""
import random, sys
from pathlib import Path
from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.github.client import GitHub
from runnerctl.core.github.config import GitHubSettings
from runnerctl.core.domain.models import Scope
from runnerctl.sandbox import Fault, Sandbox
import urllib3, jwt
settings = GitHubSettings(api_url={fake.url!r}, server_url={fake.url!r}, app_id={APP_ID!r}, user_agent="t",
    private_key_pem=Path("key.pem").read_text(), token_file=Path("tokens"))
github = GitHub(settings, clock=SystemClock(), rng=random.Random())
print("ready", flush=True)
sys.stdin.readline()
print(github.registration_token(Scope(owner="octo-org", repo="octo-repo")))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script], cwd=tmp_path, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]  # fmt: skip
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=10)[0] for process in processes] == ["T-runners/registration-token\n"] * 3
    assert len(fake.paths("access_tokens")) == len(fake.paths("/installation")) == 1


def test_the_token_file_is_private_and_holds_no_key(given, tmp_path):
    fake, github = given()
    github.registration_token(REPO)
    text = (tmp_path / "tokens").read_text()
    assert (tmp_path / "tokens").stat().st_mode & 0o777 == 0o600
    assert next(iter(fake.tokens)) in text
    assert "PRIVATE KEY" not in text
    assert "eyJ" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tokens", "tokens.lock"]


def _as_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _as_fifo(path):
    path.unlink()
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b'{"tokens": {"a'),
        lambda path: path.write_bytes(b"\x00" * 4096),
        lambda path: path.write_text('{"tokens": {"a": 5}}'),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text(""),
        lambda path: path.chmod(0o640),
        lambda path: path.chmod(0o604),
        _as_link,
        _as_fifo,
    ],
    ids=["cut", "zeroes", "foreign-shape", "list", "empty", "group-readable", "world-readable", "link", "fifo"],
)
def test_a_token_file_that_cannot_be_trusted_is_replaced(given, tmp_path, spoil):
    fake, github = given()
    github.registration_token(REPO)
    spoil(tmp_path / "tokens")
    _, later = given(fake)
    later.registration_token(REPO)
    assert len(fake.tokens) == 2
    assert not (tmp_path / "tokens").is_symlink()
    assert (tmp_path / "tokens").stat().st_mode & 0o777 == 0o600
    _, last = given(fake)
    last.registration_token(REPO)
    assert last.calls == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_token_file_of_another_user_is_replaced(given, tmp_path):
    fake, github = given()
    github.registration_token(REPO)
    os.chown(tmp_path / "tokens", 12345, 12345)
    given(fake)[1].registration_token(REPO)
    assert len(fake.tokens) == 2
    assert (tmp_path / "tokens").stat().st_uid == 0


def test_a_state_directory_that_is_not_there_costs_calls_only(given, tmp_path, caplog):
    _, github = given(token_file=tmp_path / "missing" / "tokens")
    github.registration_token(REPO)
    github.registration_token(REPO)
    assert github.calls == 4
    assert "token cache not written" in caplog.text


def test_another_app_does_not_get_the_first_ones_token(given):
    fake, github = given()
    github.registration_token(REPO)
    _, other = given(fake, app_id="99")
    with pytest.raises(GitHubCredentials, match="no App with this id"):
        other.registration_token(REPO)


def test_a_token_in_its_last_five_minutes_is_not_used(given):
    class Later(HurriedClock):
        ahead = 0.0

        def now(self):
            return super().now() + self.ahead

    clock = Later()
    fake, github = given(clock=clock)
    github.registration_token(REPO)
    clock.ahead = 3600 - 310
    github.registration_token(REPO)
    assert len(fake.tokens) == 1
    clock.ahead = 3600 - 290
    fake.skew = clock.ahead
    github.registration_token(REPO)
    assert len(fake.tokens) == 2


@pytest.mark.parametrize("skew", [3600.0, -3600.0, 45.0])
def test_a_clock_that_disagrees_is_made_up_for_once(given, skew):
    fake, github = given(SkewedClock)
    fake.skew = skew
    github.registration_token(REPO)
    assert len(fake.log) == (3 if abs(skew) < 60 else 4)
    github.registration_token(REPO)
    assert len(fake.tokens) == 1


def test_a_revoked_token_is_replaced_once_and_the_call_repeated(given):
    fake, github = given(ExpiringTokens)
    for number in range(3):
        github.generate_jitconfig(REPO, **JIT | {"name": f"r{number}"})
    assert len(fake.paths("access_tokens")) == 2
    assert len(fake.paths("generate-jitconfig")) == 4
    assert len(fake.runners) == 3


def test_threads_whose_token_was_revoked_make_one_new_one(given):
    fake, github = given()
    github.registration_token(REPO)
    fake.tokens.clear()
    fake.tokens["ghs_unrelated"] = 0
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: github.registration_token(REPO), range(16)))
    assert len(fake.paths("access_tokens")) == 2


def test_a_token_that_is_refused_twice_is_reported_and_not_shown(given):
    fake, github = given(RefusesEveryToken)
    with pytest.raises(GitHubCredentials) as caught:
        github.registration_token(REPO)
    assert len(fake.paths("registration-token")) == 2
    assert "ghs_" not in caught.value.message


def test_an_app_that_was_installed_anew_is_found_again(given):
    fake, github = given()
    github.registration_token(REPO)
    fake.tokens.clear()
    fake.tokens["ghs_unrelated"] = 0
    fake.installations["repos/octo-org/octo-repo"] = 6
    fake.installations.pop("repos/octo-org/other")
    fake.installations.pop("orgs/octo-org")
    github.registration_token(REPO)
    assert fake.paths()[-1].endswith("registration-token")
    assert "POST app/installations/6/access_tokens" in fake.paths()


@pytest.mark.parametrize(
    ("settings", "scope", "error", "says"),
    [
        ({}, Scope(owner="octo-org", repo="gone"), GitHubNotFound, "not installed on 'octo-org/gone', or there is no"),
        ({"installation_id": 8}, REPO, GitHubNotFound, "no installation 8"),
        ({"app_id": "4321"}, REPO, GitHubCredentials, "no App with this id"),
        ({"private_key_pem": "nonsense"}, REPO, ConfigInvalid, "not a PEM key"),
    ],
)
def test_wrong_credentials_are_told_apart(given, settings, scope, error, says):
    _, github = given(**settings)
    with pytest.raises(error, match=says):
        github.registration_token(scope)


def test_a_key_of_another_app_is_told(given):
    other = pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    _, github = given(private_key_pem=other)
    with pytest.raises(GitHubCredentials, match="could not be decoded"):
        github.registration_token(REPO)


@pytest.mark.parametrize("kind", [LostAnswer, CutsShort, DropsConnection, Failing, AnswersTooLate])
def test_a_registration_whose_answer_is_lost_is_not_sent_again(given, kind):
    fake, github = given(kind, timeout=0.3)
    with pytest.raises(GitHubNoAnswer):
        github.generate_jitconfig(REPO, **JIT)
    if isinstance(fake, AnswersTooLate):
        fake.given_up.set()
    assert len(fake.paths("generate-jitconfig")) == 1


def test_after_a_lost_answer_the_runner_is_found_and_the_name_is_taken(given):
    fake, github = given(LostAnswer)
    with pytest.raises(GitHubNoAnswer):
        github.generate_jitconfig(REPO, **JIT)
    assert github.find_runner(REPO, "R1").id == 42
    fake.lost = ("nothing",)
    with pytest.raises(GitHubConflict, match="already exists"):
        github.generate_jitconfig(REPO, **JIT)


@pytest.mark.parametrize("kind", [DropsConnection, Failing])
@pytest.mark.parametrize(
    ("call", "calls"),
    [
        (lambda github: github.registration_token(REPO), 5),
        (lambda github: github.list_runners(REPO), 5),
        (lambda github: github.delete_runner(REPO, 1), 6),  # gone, and the list that shows that its scope is not
    ],
    ids=["registration-token", "list", "delete"],
)
def test_what_may_be_repeated_is_tried_three_times(given, kind, call, calls):
    fake, github = given(kind)
    call(github)
    assert github.calls == calls
    clock = github._clock
    assert len(clock.slept) == 2
    assert 0 < clock.slept[0] < clock.slept[1] < 2
    fake.times = 3
    with pytest.raises(GitHubUnavailable):
        call(github)
    assert github.calls == calls + 3


def test_a_503_that_asks_for_more_patience_than_we_have_is_reported_at_once(given):
    fake, github = given(Failing)
    fake.headers = {"Retry-After": "30"}
    with pytest.raises(GitHubUnavailable) as caught:
        github.registration_token(REPO)
    assert caught.value.retry_after == 30
    assert len(fake.paths("registration-token")) == 1


def test_a_rate_limit_is_raised_at_once_and_not_slept_through(given):
    _, github = given(RateLimited)
    with pytest.raises(GitHubRateLimited) as caught:
        github.generate_jitconfig(REPO, **JIT)
    assert caught.value.retry_after == 77
    assert github._clock.slept == []
    assert github.calls == 3


def test_a_github_that_is_not_there_was_not_sent_anything(given, tmp_path):
    fake, github = given()
    github.registration_token(REPO)
    fake.close()
    github.close()
    for call in (lambda: github.registration_token(REPO), lambda: github.generate_jitconfig(REPO, **JIT)):
        with pytest.raises(GitHubUnavailable) as caught:
            call()
        assert type(caught.value) is GitHubUnavailable
        assert "Connection refused" in caught.value.message


def test_a_github_that_speaks_no_tls_was_not_sent_anything(given):
    fake, github = given(app_id=None, pat="github_pat_x", api_url="https://localhost:1")
    port = fake.server.server_port
    _, github = given(fake, app_id=None, pat="github_pat_x", api_url=f"https://127.0.0.1:{port}")
    with pytest.raises(GitHubUnavailable, match="TLS") as caught:
        github.generate_jitconfig(REPO, **JIT)
    assert type(caught.value) is GitHubUnavailable
    assert fake.log == []


def test_a_dead_github_costs_waiting_threads_one_timeout_together(given):
    class NeverAnswers(FakeGitHub):
        def answer(self, _):
            stop.wait(5)
            raise Drop

    stop = threading.Event()
    _, github = given(NeverAnswers, timeout=0.3)
    barrier = threading.Barrier(8)

    def ask(_):
        barrier.wait()
        with pytest.raises(GitHubNoAnswer):
            github.registration_token(REPO)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    stop.set()
    assert github.calls <= 3


def test_lists_are_followed_over_all_pages_as_github_names_them(given):
    fake, github = given()
    for number in range(5):
        github.generate_jitconfig(REPO, **JIT | {"name": f"r{number}"})
    before = github.calls
    assert [runner.name for runner in github.list_runners(REPO)] == ["r0", "r1", "r2", "r3", "r4"]
    assert github.calls - before == 3
    assert fake.log[before].query["per_page"] == ["100"]
    assert fake.paths()[-1] == "GET repositories/9/actions/runners"


def test_pages_that_did_not_change_are_not_sent_again(given):
    fake, github = given()
    for number in range(3):
        github.generate_jitconfig(REPO, **JIT | {"name": f"r{number}"})
    first = github.list_runners(REPO)
    assert github.list_runners(REPO) == first
    assert [call.headers.get("If-None-Match") is not None for call in fake.log[-2:]] == [True, True]
    fake.runners[44]["busy"] = True
    assert [runner.busy for runner in github.list_runners(REPO)] == [False, False, True]


@pytest.mark.parametrize(("kind", "says"), [(EndlessPages, "without end"), (PagesElsewhere, "another server")])
def test_a_list_that_cannot_be_read_to_its_end_is_an_error(given, kind, says):
    _, github = given(kind)
    with pytest.raises(GitHubRefused, match=says):
        github.list_runners(REPO)
    assert github.calls < 10


def test_a_runner_is_found_by_name_without_regard_to_case(given):
    _, github = given()
    github.generate_jitconfig(REPO, **JIT | {"name": "Mixed-Case"})
    assert github.find_runner(REPO, "mixed-case").name == "Mixed-Case"
    assert github.find_runner(REPO, "mixed") is None


def test_a_filter_that_github_ignores_still_finds_only_that_name(given):
    class IgnoresName(FakeGitHub):
        def listing(self, call):
            call.query.pop("name", None)
            return super().listing(call)

    _, github = given(IgnoresName)
    for number in range(3):
        github.generate_jitconfig(REPO, **JIT | {"name": f"r{number}"})
    assert github.find_runner(REPO, "r2").name == "r2"
    assert github.find_runner(REPO, "r") is None


def test_deleting_says_whether_it_was_there(given):
    fake, github = given()
    runner = github.generate_jitconfig(REPO, **JIT).runner
    assert github.get_runner(REPO, runner.id) == runner
    fake.runners[runner.id]["busy"] = True
    with pytest.raises(GitHubBusy):
        github.delete_runner(REPO, runner.id)
    fake.runners[runner.id]["busy"] = False
    assert github.delete_runner(REPO, runner.id) is True
    assert github.delete_runner(REPO, runner.id) is False
    assert github.get_runner(REPO, runner.id) is None


def test_a_group_is_looked_up_once_even_over_several_commands(given):
    fake, github = given()
    assert github.group_id(ORG, None) == 1
    assert github.calls == 0
    assert github.group_id(ORG, "heavy") == github.group_id(ORG, "Heavy") == 7
    _, later = given(fake)
    assert later.group_id(ORG, "Default") == 1
    assert len(fake.paths("runner-groups")) == 1
    with pytest.raises(GitHubNotFound, match="no runner group 'Lite'"):
        github.group_id(ORG, "Lite")


def test_a_group_that_github_no_longer_knows_is_looked_up_again(given):
    class GroupGone(FakeGitHub):
        def register(self, body):
            if body["runner_group_id"] == 7:
                return 404, {"message": "Not Found"}, {}
            return super().register(body)

    fake, github = given(GroupGone)
    old = github.group_id(ORG, "Heavy")
    with pytest.raises(GitHubNotFound, match="no runner group 7"):
        github.generate_jitconfig(ORG, **JIT | {"group_id": old})
    fake.groups[1]["id"] = 8
    assert github.group_id(ORG, "Heavy") == 8


def test_downloads_and_releases_are_values(given):
    fake, github = given()
    assert github.release("latest").version == "2.336.0"
    assert github.calls == 1
    assert github.release("2.1.0") is None
    assert github.downloads(REPO)[0].filename == "f.tar.gz"
    github.release("2.336.0")
    assert [bool(call.bearer) for call in fake.log if "releases" in call.path] == [False, False, True]


def test_a_redirect_within_github_is_followed_with_method_and_body(given):
    class MovedOnce(Moved):
        def answer(self, call):
            reply = super().answer(call)
            self.ask_again = self.ask_again and reply[0] != 307
            return reply

    fake, github = given(MovedOnce)
    assert github.generate_jitconfig(REPO, **JIT).runner.name == "r1"
    assert fake.paths("generate-jitconfig")[-1] == "POST repositories/9/actions/runners/generate-jitconfig"


@pytest.mark.parametrize(
    ("target", "says"),
    [("http://localhost:1/{tail}", "another server"), ("/repos/octo-org/octo-repo/actions/x", "more than 3 times")],
)
def test_other_redirects_are_not(given, target, says):
    fake, github = given(Moved)
    fake.target = target
    with pytest.raises(GitHubRefused, match=says):
        github.registration_token(REPO)
    assert len(fake.paths()) <= 2 + 4


def test_neither_netrc_nor_cookies_are_used(given, tmp_path, monkeypatch):
    class SetsCookies(FakeGitHub):
        def answer(self, call):
            status, content, headers = super().answer(call)
            return status, content, headers | {"Set-Cookie": "a=b; Path=/"}

    fake, github = given(SetsCookies)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login x password y\ndefault login x password y\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    github.release("latest")
    github.release("latest")
    assert [(call.headers.get("Authorization"), call.headers.get("Cookie")) for call in fake.log] == [(None, None)] * 2


def test_a_proxy_of_the_environment_is_used_unless_exempted(given, monkeypatch):
    fake, _ = given()
    monkeypatch.setenv("HTTP_PROXY", fake.url)
    _, github = given(fake, api_url="http://github.invalid")
    assert github.release("latest").version == "2.336.0"
    assert fake.log[0].target == "http://github.invalid/repos/actions/runner/releases/latest"
    monkeypatch.setenv("NO_PROXY", "github.invalid")
    _, github = given(fake, api_url="http://github.invalid")
    with pytest.raises(GitHubUnavailable):
        github.release("latest")


def test_a_proxys_password_is_not_in_the_message(given, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://user:hunter2@127.0.0.1:1")
    _, github = given(api_url="http://github.invalid")
    with pytest.raises(GitHubUnavailable) as caught:
        github.release("latest")
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_certificates_that_are_not_there_are_named(given, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    _, github = given(api_url="https://localhost:1")
    with pytest.raises(ConfigInvalid, match="REQUESTS_CA_BUNDLE"):
        github.release("latest")


def test_the_budget_that_github_names_is_kept(given):
    class TellsBudget(FakeGitHub):
        def answer(self, call):
            status, content, headers = super().answer(call)
            told = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4990", "X-RateLimit-Reset": "1795500000"}
            return status, content, headers | told

    _, github = given(TellsBudget)
    assert github.rate_limit is None
    github.release("latest")
    assert (github.rate_limit.limit, github.rate_limit.remaining) == (5000, 4990)


def test_connections_are_kept_but_not_trusted_after_a_long_idle_time(given):
    class Later(HurriedClock):
        ahead = 0.0

        def monotonic(self):
            return super().monotonic() + self.ahead

    class CountsConnections(FakeGitHub):
        connections = 0

        def _handler(fake):  # noqa: N805 — the handler's self is the request's
            class Counting(super()._handler()):
                def setup(self):
                    fake.connections += 1
                    super().setup()

            return Counting

    clock = Later()
    fake, github = given(CountsConnections, clock=clock)
    for _ in range(3):
        github.release("latest")
    assert fake.connections == 1
    clock.ahead = 60.0
    github.release("latest")
    assert fake.connections == 2


@pytest.mark.parametrize(
    ("pem", "says"),
    [
        ("", "not a PEM key"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\n", "not a PEM key"),
        (PEM[:400], "not a PEM key"),
        (pem_of(ec.generate_private_key(ec.SECP256R1())), "not an RSA key"),
        (pem_of(KEY, encryption=serialization.BestAvailableEncryption(b"x")), "encrypted"),
        (
            KEY.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode(),
            "public key",
        ),
        ("ключ", "not a PEM key"),
    ],
    ids=["empty", "nonsense", "cut", "elliptic", "encrypted", "public", "cyrillic"],
)
def test_a_key_that_cannot_be_used_is_told_without_being_quoted(pem, says):
    with pytest.raises(ConfigInvalid, match=says) as caught:
        load_private_key(pem)
    assert "BEGIN" not in f"{caught.value.message} {caught.value.hint}"


def test_settings_do_not_show_their_secrets(tmp_path):
    settings = GitHubSettings(
        api_url="a", server_url="b", private_key_pem=PEM, pat="github_pat_x", token_file=tmp_path, user_agent="c"
    )
    assert "PRIVATE" not in repr(settings)
    assert "github_pat_x" not in repr(settings)


def test_nothing_secret_is_logged(given, caplog):
    caplog.set_level(logging.DEBUG)
    fake, github = given()
    github.generate_jitconfig(REPO, **JIT)
    with pytest.raises(GitHubError):
        github.generate_jitconfig(REPO, **JIT)
    logged = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert not [secret for secret in (*fake.tokens, "c2VjcmV0", "eyJ", "PRIVATE KEY") if secret in logged]


def test_a_warm_registration_costs_little_of_our_own_time(given):
    _, github = given()
    github.generate_jitconfig(REPO, **JIT)
    spent = []
    for number in range(30):
        began = time.thread_time()
        github.generate_jitconfig(REPO, **JIT | {"name": f"n{number}"})
        spent.append(time.thread_time() - began)
    assert sorted(spent)[15] < 0.003


def test_the_sandbox_is_a_github_like_any_other(tmp_path):
    with Sandbox() as sandbox:
        settings = {"app_id": str(sandbox.app_id), "private_key_pem": sandbox.private_key_pem}
        github = client_of(tmp_path, sandbox.api_url, **settings)
        jit = github.generate_jitconfig(REPO, **JIT)
        assert github.calls == len(sandbox.calls) == 3
        assert github.find_runner(REPO, "R1") == github.get_runner(REPO, jit.runner.id) == jit.runner
        with pytest.raises(GitHubConflict):
            github.generate_jitconfig(REPO, **JIT)
        for number in range(103):
            sandbox.add_runner(REPO, f"r-{number}")
        assert len(github.list_runners(REPO)) == len(github.list_runners(REPO)) == 104
        assert github.delete_runner(REPO, jit.runner.id)
        assert github.registration_token(REPO)
        assert github.remove_token(ORG)
        assert github.group_id(ORG, "Default") == 1
        offered = github.downloads(REPO)[0].filename
        assert offered in {asset.name for asset in github.release("latest").assets}
        assert github.release("0.0.1") is None
        github.close()


@pytest.mark.parametrize("scope", [Scope(owner="not-installed", repo="r"), Scope(owner="octo-org", repo="missing")])
def test_the_sandbox_refuses_as_github_does(tmp_path, scope):
    with Sandbox() as sandbox:
        settings = {"app_id": str(sandbox.app_id), "private_key_pem": sandbox.private_key_pem}
        github = client_of(tmp_path, sandbox.api_url, **settings)
        with pytest.raises(GitHubNotFound):
            github.registration_token(scope)
        with pytest.raises(GitHubCredentials, match="not accessible") as caught:
            github.generate_jitconfig(Scope(owner="no-permission", repo="r"), **JIT)
        assert "administration=write" in caught.value.hint
        github.close()


@pytest.mark.parametrize("offset", [7200.0, -7200.0])
def test_the_sandboxs_clock_may_disagree_and_its_tokens_be_revoked(tmp_path, offset):
    with Sandbox() as sandbox:
        sandbox.clock_offset = offset
        settings = {"app_id": str(sandbox.app_id), "private_key_pem": sandbox.private_key_pem}
        github = client_of(tmp_path, sandbox.api_url, **settings)
        github.registration_token(REPO)
        github.registration_token(REPO)
        assert github.calls == 5  # one look-up was signed twice
        sandbox.revoke_tokens()
        github.registration_token(REPO)
        assert github.calls == 8
        github.close()


def test_the_sandboxs_faults_are_weathered(tmp_path):
    with Sandbox() as sandbox:
        settings = {"app_id": str(sandbox.app_id), "private_key_pem": sandbox.private_key_pem}
        github = client_of(tmp_path, sandbox.api_url, **settings)
        sandbox.add_fault(Fault(match="generate-jitconfig", lost_answer=True))
        with pytest.raises(GitHubNoAnswer):
            github.generate_jitconfig(REPO, **JIT)
        assert github.find_runner(REPO, "r1").version is None
        sandbox.add_fault(Fault(match="DELETE", drop=True, times=2))
        assert github.delete_runner(REPO, github.find_runner(REPO, "r1").id)
        for kind in ("primary", "secondary"):
            sandbox.add_fault(Fault(match="registration-token", rate_limit=kind, retry_after=9))
            with pytest.raises(GitHubRateLimited) as caught:
                github.registration_token(REPO)
            assert 8 <= caught.value.retry_after <= 11
        github.close()
