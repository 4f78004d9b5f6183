"""API tokens: who may do what, to whose runners, until when; and that a token is nowhere but with its bearer."""

from __future__ import annotations

import random
import re
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from runnerctl.core import Access, Action
from runnerctl.core.access import issuing, tokens
from runnerctl.core.access.grants import TokenLimits
from runnerctl.core.access.policy import Right
from runnerctl.core.domain.errors import Forbidden, TokenExists, TokenNotFound
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.observation import SeenJob
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine.operations import replacing
from runnerctl.core.redact import MASK, redact
from runnerctl.core.services import Services
from runnerctl.server.app import ROUTES, build_app
from runnerctl.server.keys import RULES
from runnerctl.server.routing import Route
from tests.support.front_ends.cli_running import cli
from tests.support.hosts.host import Host, Server, until
from tests.support.sandboxes.strictness import strict_sandbox

ANY = TokenLimits(tenant="acme", repositories=("acme/*",), labels=("linux", "self-hosted"), name_pattern="acme-*")


class Hall(NamedTuple):
    """A server, and the store behind it, for cases that leave nothing running."""

    server: Server
    services: Services
    host: Host

    def token(self, *rights: Right, limits: TokenLimits = ANY, **options: Any) -> str:
        name = f"t-{secrets.token_hex(4)}"
        return issuing.issue(self.services, name, rights=rights or tuple(Right), limits=limits, **options)[1]

    def ask(self, token: str, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{self.server.url}{path}", json=body, headers=headers, timeout=60)

    def create(self, token: str, name: str, **fields: Any) -> requests.Response:
        body = {"repo": "acme/widgets", "name": name, "labels": "linux", **fields}
        return self.ask(token, "POST", "/api/v1/runners", body)

    def stopped(self, name: str, tenant: str | None, labels: str = "linux") -> Runner:
        """A row that a server leaves as it is, of a runner that had a job."""
        spec = self.host.spec(name, tenant=tenant, labels=labels)
        runner = self.services.store.admit(spec, root=self.host.base_dir / name)
        self.services.store.note_job(runner.id, SeenJob(name="build", started_at=runner.created_at))
        return self.services.store.transition(runner, RunnerState.REGISTERED, RunnerState.STARTING, RunnerState.STOPPED)

    def whoami(self, token: str) -> requests.Response:
        return self.ask(token, "GET", "/api/v1/whoami")


@pytest.fixture(scope="module")
def hall(archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with strict_sandbox(archive=archive) as sandbox:
        top = tmp_path_factory.mktemp("hall")
        host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        server, services = Server.start(host, {}), host.services()
        yield Hall(server, services, host)
        services.close()
        server.stop()
        host.kill_everything()


# --- The matrix ---


def test_every_route_says_what_it_needs(services: Services) -> None:
    app = build_app(services, token="x")
    assert {route.handler for route in app.router.routes()} == set(app[RULES])
    assert all(isinstance(rule.needs, Right | Access) for rule in app[RULES].values())
    changing = {rule.path for rule in ROUTES if rule.method != "GET"}
    assert {rule.path for rule in ROUTES if rule.action} == changing


SCOPED = [route for route in ROUTES if isinstance(route.needs, Right) and "tokens" not in route.path]
BY_NAME = {"/api/v1/events": "?runner={name}"}
"""Of a list that begins with the oldest: what finds one among others."""
NAMELESS = {"/api/v1/usage", "/api/v1/runners:batch"}
"""They tell of no runner by the name that is asked for: what a tenant sees of them, their own tests say."""
SUMS = {"/metrics"}
"""Over the whole host, whosever they are; they name no runner and no other tenant."""
TENANTS = {"own": "acme", "foreign": "globex", "the operator's": None}


@pytest.mark.parametrize("whose", TENANTS)
@pytest.mark.parametrize("route", SCOPED, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_opens_to_its_scope_alone_and_shows_no_foreign_runner(hall: Hall, route: Route, whose: str) -> None:
    name = f"acme-{secrets.token_hex(4)}"
    making = route.action == "runner.create"
    row = None if making and whose == "own" else hall.stopped(name, TENANTS[whose])

    def ask(*rights: Right) -> requests.Response:
        token = hall.token(*rights)
        path = route.path.replace("{name}", name) + BY_NAME.get(route.path, "").format(name=name)
        return hall.create(token, name) if making else hall.ask(token, route.method, path)

    for right in set(Right) - {route.needs}:
        refused = ask(right)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert str(route.needs) in refused.json()["detail"]
    others = ask(*set(Right) - {route.needs})
    assert others.status_code == 403
    assert hall.services.store.latest(name) == row
    answer = ask(route.needs)
    if whose == "own":
        assert answer.status_code not in {401, 403, 404}, answer.text
    elif making:
        assert answer.json()["code"] == "runner_exists"  # a name is unique on a host
    elif route.path.endswith("/status"):
        assert answer.json() == {"status": "not_installed", "name": name, "pid": None}
    elif "{name}" in route.path:
        assert (answer.status_code, answer.json()["code"]) == (404, "runner_not_found")
    if route.path in SUMS:
        assert not [each for each in (name, "globex") if each in answer.text]
    elif "{name}" not in route.path and not making and route.path not in NAMELESS:
        listed = whose == "own" and route.does is not Action.RUNNER_USAGE  # that is of those that run
        assert (name in [each.get("runner") or each["name"] for each in answer.json()["items"]]) is listed
    if whose != "own":
        assert hall.services.store.latest(name) == row
    hall.server.remove(name, "?force=true")


FOR_ANY = [route for route in ROUTES if isinstance(route.needs, Access) and route.needs is not Access.OPERATOR]
OTHERWISE = {
    Action.SESSION_BEGIN: (201, ""),
    Action.SESSION_LEAVE: (400, "invalid_request"),  # a token is no session
    Action.SESSION_END: (404, "session_not_found"),
}
FOR_THE_OPERATOR = [route for route in ROUTES if route.needs is Access.OPERATOR]


@pytest.mark.parametrize("route", FOR_THE_OPERATOR, ids=lambda route: f"{route.method} {route.path}")
def test_what_is_the_operators_opens_to_no_token_whatever_it_may(hall: Hall, route: Route) -> None:
    path = route.path.replace("{id}", "1")
    refused = hall.ask(hall.token(*Right), route.method, path)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert hall.ask(hall.host.token, route.method, path).status_code in {200, 404}


@pytest.mark.parametrize("route", FOR_ANY, ids=lambda r: r.path)
@pytest.mark.parametrize("right", Right)
def test_what_needs_no_scope_opens_to_any_token(hall: Hall, route: Route, right: Right) -> None:
    path = route.path.replace("/static/{name}", "/static/app.js").replace("{id}", "0")
    wanted = OTHERWISE.get(route.does, (200, ""))
    answer = hall.ask(hall.token(right), route.method, path)
    assert (answer.status_code, answer.json().get("code", "") if wanted[1] else "") == wanted


def test_a_foreign_runner_is_answered_as_one_that_never_was(hall: Hall) -> None:
    token = hall.token()
    hall.stopped("globex-one", "globex")
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/logs"), ("POST", "/stop"), ("POST", "/start")):
        texts = [
            re.sub(name, "NAME", answer.json()["detail"] + answer.json()["hint"])
            for name in ("globex-one", "globex-two")
            for answer in [hall.ask(token, method, f"/api/v1/runners/{name}{path}")]
        ]
        assert texts[0] == texts[1]


def test_whoami_tells_rights_and_limits_and_no_secret(hall: Hall) -> None:
    token = hall.token(Right.LOGS_READ)
    told = hall.whoami(token)
    assert told.json()["scopes"] == ["logs:read"]
    assert told.json()["limits"]["tenant"] == "acme"
    assert told.json()["limits"]["repos"] == ["acme/*"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", told.json()["expires_at"])
    assert token not in told.text
    operator = hall.whoami(hall.server.token).json()
    assert (operator["actor"], operator["limits"], operator["expires_at"]) == ("operator", None, None)
    assert operator["scopes"] == list(Right)


# --- A tenant's limits ---


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"repo": "globex/widgets"}, "repo"),
        ({"repo": None, "org": "acme"}, "repo"),
        ({"name": "other-1"}, "name"),
        ({"labels": "linux,deploy"}, "labels"),
        ({"labels": ["LINUX", "x64"]}, "labels"),
        ({"ephemeral": False}, None),
    ],
    ids=str,
)
def test_what_is_beyond_a_tenants_limits_is_forbidden(hall: Hall, fields: dict[str, Any], field: str | None) -> None:
    answer = hall.create(hall.token(), **{"name": "acme-1", **fields})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert [error["field"] for error in answer.json().get("errors", [])] == ([field] if field else [])
    assert hall.services.store.latest("acme-1") is None


def test_patterns_regard_no_case_and_stop_at_the_slash(hall: Hall) -> None:
    limits = TokenLimits(
        tenant="acme", repositories=("Acme/w*",), labels=("GPU-?",), name_pattern="ACME-*", persistent=True
    )
    spec = hall.host.spec
    limits.check_create(spec("acme-x", repo="ACME/Widgets", labels="gpu-1", ephemeral=False))
    for repo in ("acme/x", "acmew/w", "w/acme"):
        with pytest.raises(Forbidden, match="not allowed"):
            limits.check_create(spec("acme-x", repo=repo, labels="gpu-1"))


def test_any_number_of_creates_at_once_stay_within_the_tenants_number(hall: Hall) -> None:
    limits = TokenLimits(tenant="crowd", repositories=("acme/*",), labels=("linux",), max_runners=2)
    token = hall.token(limits=limits)
    hall.stopped("of-others", "acme")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: hall.create(token, f"crowd-{number}"), range(8)))
    codes = sorted("made" if answer.status_code == 201 else answer.json()["code"] for answer in answers)
    assert codes == ["made"] * 2 + ["quota_exceeded"] * 6
    for number in range(8):
        hall.server.remove(f"crowd-{number}", "?force=true")


def test_a_name_that_is_a_label_of_others_is_not_free(hall: Hall) -> None:
    """`runs-on: deploy` of others would find it."""
    token = hall.token(limits=TokenLimits(tenant="thief", repositories=("*/*",), labels=("*",)))
    owner = TokenLimits(tenant="owner", labels=("signing-*", "linux"), name_pattern="vault-*")
    hall.token(Right.RUNNERS_READ, limits=owner)
    hall.stopped("gpu-host", None, labels="linux,Deploy")
    for name in ("deploy", "Signing-1", "Vault-1", "Self-Hosted"):  # the last is one of the host's default labels
        answer = hall.create(token, name)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), name
        assert "gpu-host" not in answer.text
    stolen = hall.create(token, "mine", labels="linux,GPU-HOST")
    assert stolen.status_code == 403
    assert hall.create(token, "mine", labels="linux,deploy").status_code == 201  # labels may be shared, names may not
    hall.server.remove("mine", "?force=true")


def test_a_runner_made_again_belongs_to_its_tenant_still(hall: Hall) -> None:
    runner = hall.stopped("acme-again", "acme")
    assert replacing._spec(runner).tenant == "acme"


# --- A token's life ---


def test_an_expired_token_is_refused(hall: Hall) -> None:
    token = hall.token(life=1.0)
    assert hall.whoami(token).status_code == 200
    until(lambda: hall.whoami(token).status_code == 401)
    assert "is expired" in hall.whoami(token).json()["detail"]


def test_a_revoked_token_is_refused_at_once_though_another_process_revoked_it(hall: Hall) -> None:
    made, token = issuing.issue(hall.services, "short-lived", rights=[Right.RUNNERS_READ], limits=ANY)
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        url = f"{hall.server.url}/api/v1/whoami"
        assert {session.get(url, timeout=10).status_code for _ in range(5)} == {200}
        assert hall.host.cli("token", "revoke", made.name).returncode == 0
        answer = session.get(url, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert "is revoked" in answer.json()["detail"]


@pytest.mark.parametrize("right", Right)
def test_tokens_are_listed_and_revoked_within_the_tenant_by_those_who_may(hall: Hall, right: Right) -> None:
    asker = hall.token(right)
    made = {
        tenant: issuing.issue(
            hall.services, f"of-{tenant}-{right[:2]}", rights=[Right.RUNNERS_READ], limits=TokenLimits(tenant=tenant)
        )
        for tenant in ("acme", "globex")
    }
    listed = hall.ask(asker, "GET", "/api/v1/tokens")
    answers = [hall.ask(asker, "DELETE", f"/api/v1/tokens/{kept.name}").json() for kept, _ in made.values()]
    after = [hall.whoami(token).status_code for _, token in made.values()]
    if right is Right.TOKENS_ADMIN:
        names = [token["name"] for token in listed.json()["items"]]
        assert (made["acme"][0].name in names, made["globex"][0].name in names) == (True, False)
        assert (answers[0]["status"], answers[1]["code"]) == ("revoked", "token_not_found")
        assert after == [401, 200]
    else:
        assert {listed.json()["code"], *(answer["code"] for answer in answers)} == {"forbidden"}
        assert after == [200, 200]
    assert not any(token in listed.text for _, token in made.values())
    for kept, _ in made.values():
        issuing.revoke(hall.services, kept.id)


def test_a_rotated_token_ends_at_once_or_after_its_grace(hall: Hall) -> None:
    made, first = issuing.issue(hall.services, "turning", rights=[Right.RUNNERS_READ], limits=ANY)
    _, second = issuing.rotate(hall.services, "turning")
    assert (hall.whoami(first).status_code, hall.whoami(second).status_code) == (401, 200)
    renewed, third = issuing.rotate(hall.services, "turning", grace=1.0)
    assert (hall.whoami(second).status_code, hall.whoami(third).status_code) == (200, 200)
    until(lambda: hall.whoami(second).status_code == 401)
    assert (renewed.rights, renewed.limits) == (made.rights, made.limits)


def test_a_name_is_free_again_when_its_token_is_not_any_more(services: Services) -> None:
    issuing.issue(services, "one", rights=[Right.RUNNERS_READ], limits=ANY)
    with pytest.raises(TokenExists):
        issuing.issue(services, "ONE", rights=[Right.RUNNERS_READ], limits=ANY)
    issuing.revoke(services, "one")
    issuing.revoke(services, "one")
    with pytest.raises(TokenNotFound, match="is revoked"):
        issuing.rotate(services, "one")
    issuing.issue(services, "one", rights=[Right.RUNNERS_READ], limits=ANY)
    assert [token.name for token in services.store.tokens()] == ["one"]
    assert len(services.store.tokens(every=True)) == 2


def test_the_last_use_is_written_once_a_minute(hall: Hall) -> None:
    made, token = issuing.issue(hall.services, "used", rights=[Right.RUNNERS_READ], limits=ANY)
    hall.whoami(token)
    first = until(lambda: hall.services.store.token_named(made.id).last_used_at)
    for _ in range(5):
        hall.whoami(token)
    hall.services.store.note_use(made.id, first + 59)
    assert hall.services.store.token_named(made.id).last_used_at == first
    hall.services.store.note_use(made.id, first + 61)
    assert hall.services.store.token_named(made.id).last_used_at == first + 61


# --- Those who guess ---


def test_failed_logins_wait_and_a_right_token_does_not(hall: Hall) -> None:
    """Behind a tunnel they all come from one address."""
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        guesses = [pool.submit(hall.whoami, f"guess-{number}") for number in range(24)]
        until(lambda: sum(guess.done() for guess in guesses) >= 4)
        assert hall.whoami(hall.server.token).status_code == 200
        assert hall.whoami(hall.token()).status_code == 200
        unanswered = sum(not guess.done() for guess in guesses)
        assert {guess.result().status_code for guess in guesses} == {401}
    assert time.monotonic() - began > 2.0
    assert unanswered, "it was behind all of them"


def test_a_token_that_asks_too_often_is_told_when_to_come_back(serve: Callable[..., Server], host: Host) -> None:
    server = serve(RUNNERCTL_RATE_LIMIT="20")
    services = host.services()
    hall = Hall(server, services, host)
    hasty, other = hall.token(), hall.token()
    answers = [hall.whoami(hasty) for _ in range(25)]
    assert [answer.status_code for answer in answers[:20]] == [200] * 20
    assert answers[-1].json()["code"] == "too_many_requests"
    assert answers[-1].status_code == 429
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 3
    assert hall.whoami(other).status_code == 200
    assert {hall.whoami(server.token).status_code for _ in range(30)} == {200}
    services.close()


# --- The token itself ---


@pytest.mark.parametrize("seed", range(50))
def test_a_token_is_whole_and_one_with_a_slip_is_not(seed: int) -> None:
    rng = random.Random(seed)
    token = tokens.make(rng)
    assert re.fullmatch(r"rctl_[0-9A-Za-z]{49}", token)
    assert tokens.is_whole(token)
    place = rng.randrange(5, len(token))
    slip = token[:place] + rng.choice([char for char in "0aZ" if char != token[place]]) + token[place + 1 :]
    assert not tokens.is_whole(slip)
    assert not tokens.is_whole(token[:-1])
    assert not tokens.is_whole(token + "0")
    assert redact(f"a {token} b") == f"a {MASK} b"


def test_no_token_is_anywhere_but_with_its_bearer(serve: Callable[..., Server], host: Host) -> None:
    server = serve()
    shown = host.cli("token", "create", "web", "--repo", "acme/*", "--name-pattern", "*", "--labels", "linux,rctl_*")
    (token,) = shown.stdout.splitlines()
    wrong = tokens.make(random.Random(1))
    rotated = host.cli_json("token", "rotate", "web", "--grace", "1h")["token"]
    planted = f"rctl_{'p' * 40}"
    for secret in (token, rotated, wrong):
        headers = {"Authorization": f"Bearer {secret}", "X-Request-Id": secret}
        for path in ("/api/v1/whoami", f"/api/v1/{secret}", f"/api/v1/runners/{secret}"):
            answer = requests.get(f"{server.url}{path}", headers=headers, timeout=10)
            assert secret not in answer.text
    server.token = rotated
    server.create(planted, labels="linux")
    server.request("POST", "/api/v1/runners", {"repo": "acme/x", "name": wrong})
    commands = (("token", "list", "--all", "-o", "json"), ("audit",), ("-v", "token", "revoke", token))
    told = [host.cli(*words) for words in commands]
    text = "".join(each.stdout + each.stderr for each in told)
    server.stop()
    for path in [path for path in host.top.rglob("*") if path.is_file()]:
        text += path.read_bytes().decode(errors="replace") if not path.is_symlink() else ""
    for secret in (token, rotated, wrong):
        assert secret not in text
    audited = (host.state_dir / "refused.log").read_text()
    assert planted not in audited
    assert MASK in audited
    assert tokens.digest(token) in text


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_new_token_is_part_of_its_document(host: Host, form: str) -> None:
    made = host.cli("token", "create", "web", "--repo", "acme/*", "-o", form)
    assert re.search(r"token['\"]?: ['\"]?rctl_[0-9A-Za-z]{49}\b", made.stdout)
    assert "cannot be shown again" in made.stderr


@pytest.mark.parametrize(
    ("argv", "status", "says"),
    [
        (("create", "web"), 2, "Name at least one repository: --repo PATTERN"),
        (("create", "web", "--repo", "acme"), 2, "Repository pattern 'acme'"),
        (("create", "web", "--repo", "a[b]/c"), 2, "Repository pattern"),
        (("create", "web", "--repo", "a/b", "--labels", "a,,b"), 2, "Label pattern ''"),
        (("create", "web", "--repo", "a/b", "--tenant", "no way"), 2, "no way"),
        (("create", "web", "--repo", "a/b", "--tenant", "x", "--every-tenant"), 2, "exclude each other"),
        (("create", "web", "--repo", "a/b", "--scope", "all"), 2, "'all'"),
        (("create", "web", "--repo", "a/b", "--expires", "0"), 2, "--expires must be between 1 second and 10 years"),
        (("create", "web", "--repo", "a/b", "--name-pattern", "a b"), 2, "Pattern 'a b'"),
        (("rotate", "nobody"), 5, "No token is named 'nobody'"),
        (("revoke", "nobody"), 5, "No token is named 'nobody'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_no_token_can_be_made_of_is_refused(host: Host, argv: tuple[str, ...], status: int, says: str) -> None:
    ran = cli("token", *argv, env={"RUNNERCTL_ENV_FILE": str(host.env_file)})
    assert ran.status == status, ran.stderr
    assert says in ran.stderr
    assert ran.stdout == ""


def test_without_the_operators_token_a_tenants_is_enough_to_serve(serve: Callable[..., Server], host: Host) -> None:
    token = host.cli("token", "create", "web", "--repo", "acme/*").stdout.strip()
    host.write_env_file(GITHUB_WFA_RUNNER_SERVER__API_TOKEN="")
    server = serve()
    for wrong in ("", host.token):
        server.token = wrong
        assert server.request("GET", "/api/v1/whoami").status_code == 401
    server.token = token
    assert server.request("GET", "/api/v1/whoami").json()["name"] == "web"
