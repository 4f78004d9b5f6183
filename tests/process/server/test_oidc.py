"""Workflows that show their OIDC token: who gets in, what it may do then, and who never does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import jwt
import jwt.algorithms
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers, generate_private_key

from runnerctl.core.access import issuing
from runnerctl.core.access.grants import TokenLimits
from runnerctl.core.access.oidc import id_tokens, issuer_keys, workflow_rules
from runnerctl.core.access.oidc.id_tokens import SigningKey
from runnerctl.core.access.policy import Right
from runnerctl.core.domain.errors import IssuerUnavailable
from runnerctl.core.http.settings import HttpSettings
from runnerctl.core.settings.load import load
from runnerctl.core.settings.workflow_policy import workflow_policy
from runnerctl.sandbox import Fault, Sandbox
from tests.support.front_ends.cli_running import cli
from tests.support.front_ends.listening import listening
from tests.support.hosts.host import SLOWNESS, Host, Server, until
from tests.support.hosts.issuers import AUDIENCE, Hall, settings
from tests.support.places import REPOSITORY
from tests.support.sandboxes.strictness import strict_sandbox

STRANGER = generate_private_key(public_exponent=65537, key_size=2048)
STRANGER_PUBLIC = STRANGER.public_key()
FLEET = "central/tools/.github/workflows/fleet.yml@refs/heads/main"


def fetch(sandbox: Sandbox) -> Mapping[str, SigningKey]:
    return issuer_keys.fetch(sandbox.server_url, http=HttpSettings(), user_agent="test")


@pytest.fixture(scope="module")
def hall(archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with strict_sandbox(archive=archive) as sandbox:
        top = tmp_path_factory.mktemp("hall")
        host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        host.write_env_file(**settings(sandbox))
        server = Server.start(host, {})
        yield Hall(server, sandbox, host)
        server.stop()
        host.kill_everything()


# --- Who gets in, and what it may do ---


def test_a_workflow_makes_sees_and_removes_runners_of_its_own_repository(hall: Hall) -> None:
    ours, theirs = hall.token(), hall.token("acme/gadgets")
    made = hall.create(ours, "widgets-1")
    assert made.status_code == 201, made.text
    assert made.json()["tenant"] == "acme/widgets"
    other = hall.create(theirs, "gadgets-1", repo="acme/gadgets")
    assert other.status_code == 201, other.text
    listed = hall.ask(ours, path="/api/v1/runners").json()["items"]
    assert [runner["name"] for runner in listed] == ["widgets-1"]
    for method, tail in (("GET", ""), ("DELETE", "?force=true"), ("POST", "/stop"), ("GET", "/logs")):
        foreign = hall.ask(ours, method, f"/api/v1/runners/gadgets-1{tail}")
        assert (foreign.status_code, foreign.json()["code"]) == (404, "runner_not_found")
    assert hall.server.status("gadgets-1")["status"] == "running"
    assert hall.ask(ours, "DELETE", "/api/v1/runners/widgets-1?force=true").json()["status"] == "removed"
    assert hall.ask(theirs, "DELETE", "/api/v1/runners/gadgets-1?force=true").json()["status"] == "removed"


def test_whoami_tells_whose_workflow_it_is_until_when_and_what_it_may_do(hall: Hall) -> None:
    token = hall.token()
    answer = hall.ask(token)
    told = answer.json()
    assert told["actor"] == "oidc:acme/widgets@refs/heads/main"
    assert told["name"] == "acme/widgets"
    assert told["scopes"] == ["runners:read", "runners:write", "logs:read"]
    assert told["limits"]["tenant"] == "acme/widgets"
    assert told["limits"]["repos"] == ["acme/widgets"]
    assert (told["limits"]["name_pattern"], told["limits"]["max_runners"]) == ("widgets-*", 2)
    expires = jwt.decode(token, options={"verify_signature": False})["exp"]
    assert told["expires_at"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires))
    assert token not in answer.text


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"repo": "acme/gadgets"}, "repo"),
        ({"repo": "globex/widgets"}, "repo"),
        ({"repo": None, "org": "acme"}, "repo"),
        ({"name": "gadgets-1"}, "name"),
        ({"labels": "linux,deploy"}, "labels"),
        ({"ephemeral": False}, None),
    ],
    ids=str,
)
def test_what_is_beyond_a_rules_limits_is_forbidden(hall: Hall, fields: dict[str, Any], field: str | None) -> None:
    answer = hall.create(hall.token(), **{"name": "widgets-x", **fields})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert [error["field"] for error in answer.json().get("errors", [])] == ([field] if field else [])
    assert hall.server.status("widgets-x")["status"] == "not_installed"


def test_a_rule_that_grants_reading_alone_lets_nothing_be_made(hall: Hall) -> None:
    token = hall.token(ref="refs/heads/topic", environment="production")
    assert hall.ask(token).json()["scopes"] == ["runners:read"]
    assert hall.ask(token, path="/api/v1/runners").status_code == 200
    assert hall.create(token, "widgets-x").json()["code"] == "forbidden"


def test_a_rule_may_name_other_repositories_and_its_runners_are_the_workflows_still(hall: Hall) -> None:
    token = hall.token("central/fleet", ref="refs/heads/any", job_workflow_ref=FLEET)
    made = hall.create(token, "fleet-1", repo="globex/site", labels="gpu-a100")
    assert (made.status_code, made.json()["tenant"]) == (201, "central/fleet")
    assert hall.create(token, "fleet-2", repo="central/fleet", labels="gpu-a100").status_code == 403
    assert hall.ask(hall.token(), "DELETE", "/api/v1/runners/fleet-1").status_code == 404
    assert hall.ask(token, "DELETE", "/api/v1/runners/fleet-1?force=true").status_code == 200


@pytest.mark.parametrize("name", ["gpu-1", "GPU-a100", "Fleet-9", "press-1"])
def test_a_name_that_a_rule_speaks_of_is_not_free_for_an_api_token(hall: Hall, name: str) -> None:
    """`runs-on: gpu-1` of a workflow would find it; a rule without a pattern speaks of its repository's name."""
    refused = hall.create(api_token(hall, TokenLimits(tenant="thief", repositories=("*/*",), labels=("*",))), name)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), refused.text
    assert "is not free for tenant 'thief'" in refused.json()["detail"]


def test_a_narrower_pattern_has_its_names_within_those_of_a_rule(hall: Hall) -> None:
    limits = TokenLimits(tenant="api", repositories=("*/*",), labels=("linux",), name_pattern="press-api-*")
    assert hall.create(api_token(hall, limits), "press-api-1").status_code == 201
    hall.server.remove("press-api-1", "?force=true")


def test_a_name_that_an_api_token_speaks_of_is_not_free_for_a_workflow(hall: Hall) -> None:
    """The rule would let it be: its pattern is wider than the token's."""
    api_token(hall, TokenLimits(tenant="crew", repositories=("*/*",), name_pattern="fleet-crew-*"))
    token = hall.token("central/fleet", ref="refs/heads/any", job_workflow_ref=FLEET)
    refused = hall.create(token, "fleet-crew-1", repo="globex/site", labels="gpu-a100")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def api_token(hall: Hall, limits: TokenLimits) -> str:
    services = hall.host.services()
    try:
        return issuing.issue(services, f"t-{secrets.token_hex(4)}", rights=tuple(Right), limits=limits)[1]
    finally:
        services.close()


def test_a_repository_has_its_number_whichever_of_its_workflows_ask(hall: Hall) -> None:
    tokens = [hall.token("acme/many", ref=ref) for ref in ("refs/heads/main", "refs/tags/v1", "refs/tags/v2")]
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda at: hall.create(tokens[at], f"many-{at}", repo="ACME/Many"), range(3)))
    codes = sorted("made" if answer.status_code == 201 else answer.json()["code"] for answer in made)
    assert codes == ["made", "made", "quota_exceeded"]
    for at in range(3):
        hall.server.remove(f"many-{at}", "?force=true")


@pytest.mark.parametrize("seconds", [-30, 30])
def test_clocks_may_be_a_little_apart(hall: Hall, seconds: int) -> None:
    now = int(time.time())
    times = {"exp": now + seconds} if seconds < 0 else {"nbf": now + seconds, "iat": now + seconds}
    assert hall.ask(hall.token(**times)).status_code == 200


def test_a_stream_ends_with_the_workflows_token(hall: Hall) -> None:
    seconds = 8  # it must be good for as long as a busy machine takes to ask
    token = hall.token(exp=int(time.time()) - id_tokens.LEEWAY_SECONDS + seconds)
    began = time.monotonic()
    with listening(hall.server, token=token) as stream:
        position, last = stream.rest()
    assert (position.name, last.name, last.data["reason"]) == ("position", "end", "unauthorized")
    assert 1 < time.monotonic() - began < (seconds + 10) * SLOWNESS


# --- Who never gets in ---


def signed(hall: Hall, *, key: Any = None, algorithm: str = "RS256", header: object = None, **claims: Any) -> str:
    """A token made by hand; by the issuer's own key unless another is given."""
    ids = hall.sandbox._github.id_tokens
    payload = jwt.decode(hall.token(**claims), options={"verify_signature": False})
    headers = {"kid": ids.key_id, **(header if isinstance(header, dict) else {})}
    return jwt.encode(payload, key or ids.key, algorithm=algorithm, headers=headers)


def base64url(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def part(document: object) -> str:
    return base64url(json.dumps(document).encode())


def deep(levels: int) -> str:
    return base64url(b'{"kid":' + b"[" * levels)


def public_pem(hall: Hall) -> bytes:
    public = hall.sandbox._github.id_tokens.key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def confused(hall: Hall) -> str:
    """HS256 with what everybody knows as its secret: for who lets the token choose, that is a right signature."""
    _, payload, _ = hall.token().split(".")
    head = part({"alg": "HS256", "typ": "JWT", "kid": hall.sandbox._github.id_tokens.key_id})
    mac = hmac.new(public_pem(hall), f"{head}.{payload}".encode(), hashlib.sha256).digest()
    return f"{head}.{payload}.{base64url(mac)}"


def unsigned(hall: Hall, alg: str) -> str:
    _, payload, _ = hall.token().split(".")
    return f"{part({'alg': alg, 'typ': 'JWT', 'kid': hall.sandbox._github.id_tokens.key_id})}.{payload}."


def tampered(hall: Hall) -> str:
    head, _, signature = hall.token("globex/site").split(".")
    return f"{head}.{hall.token().split('.')[1]}.{signature}"


def brought_along(hall: Hall) -> str:
    """Its header has the key that it is signed with."""
    own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(STRANGER.public_key()))
    return signed(hall, key=STRANGER, header={"jwk": own, "jku": f"{hall.sandbox.server_url}/own", "kid": "own"})


def now(seconds: int) -> int:
    return int(time.time()) + seconds


OTHER_KEY, NOT_OURS = "by a key that the issuer does not offer", "is not signed by the issuer"
FORGERIES: dict[str, tuple[Callable[[Hall], str], str]] = {
    "wrong issuer": (lambda hall: hall.token(iss="https://token.actions.githubusercontent.com"), "another issuer's"),
    "an Enterprise Server's": (lambda hall: hall.token(iss=hall.sandbox.enterprise_issuer), "another issuer's"),
    "issuer with a slash": (lambda hall: hall.token(iss=f"{hall.sandbox.server_url}/"), "another issuer's"),
    "wrong audience": (lambda hall: hall.token(audience="https://github.com/acme"), "for another audience"),
    "audience and others": (lambda hall: hall.token(aud=[AUDIENCE, "sts.amazonaws.com"]), "for another audience"),
    "alg none": (lambda hall: unsigned(hall, "none"), NOT_OURS),
    "alg nOnE": (lambda hall: unsigned(hall, "nOnE"), NOT_OURS),
    "alg left out": (lambda hall: f"{part({'kid': 'sandbox-1'})}.{hall.token().split('.')[1]}.", ""),
    "HS256 with the public key": (confused, NOT_OURS),
    "PS256 with the right key": (lambda hall: signed(hall, algorithm="PS256"), NOT_OURS),
    "RS512 with the right key": (lambda hall: signed(hall, algorithm="RS512"), NOT_OURS),
    "right id, other key": (lambda hall: signed(hall, key=STRANGER), NOT_OURS),
    "unknown id, right key": (lambda hall: signed(hall, header={"kid": "nobody's"}), OTHER_KEY),
    "its own key brought along": (brought_along, OTHER_KEY),
    "no key id": (lambda _: jwt.encode({}, STRANGER, algorithm="RS256"), "cannot be read"),
    "critical extension": (lambda hall: signed(hall, header={"crit": ["x"], "x": 1}), "cannot be read"),
    "claims of another token": (tampered, NOT_OURS),
    "expired": (lambda hall: hall.token(exp=now(-120)), "has expired"),
    "not yet valid": (lambda hall: hall.token(nbf=now(120)), "is not valid yet"),
    "made in the future": (lambda hall: hall.token(iat=now(120)), "is not valid yet"),
    "expiry that is no time": (lambda hall: hall.token(exp="soon"), "cannot be read"),
    **{
        f"without {claim}": (lambda hall, claim=claim: hall.token(**{claim: None}), f"lacks the claim {claim}")
        for claim in ("iss", "aud", "exp", "nbf", "iat", "sub")
    },
    "without a repository": (lambda hall: signed(hall, repository=None), "lacks the claim repository"),
    "a pattern as repository": (lambda hall: hall.token("acme/*"), "names no repository"),
    "any repository": (lambda hall: hall.token("*/*"), "names no repository"),
    "repositories": (lambda hall: hall.token(["acme/widgets"]), "names no repository"),
    "garbage in three parts": (lambda _: "a.b.c", "cannot be read"),
    "JSON that is no token": (lambda _: f"{part([])}.{part({})}.", "cannot be read"),
    "a header too deep to read": (lambda _: f"{deep(5000)}.e30.", "cannot be read"),
    "numbers too long to read": (lambda _: f"{base64url(b'1' * 5000)}.e30.", "cannot be read"),
    "two parts": (lambda hall: hall.token().rpartition(".")[0], "is wrong"),
    "four parts": (lambda hall: f"{hall.token()}.x", "is wrong"),
    "padded": (lambda hall: f"{hall.token()}==", "is wrong"),
    "foreign repository": (lambda hall: hall.token("globex/site"), "No OIDC rule allows 'globex/site@refs/heads/main'"),
    "an owner with our name in front": (lambda hall: hall.token("acme-evil/x"), "No OIDC rule allows"),
    "a branch with our name in front": (lambda hall: hall.token(ref="refs/heads/mainly"), "No OIDC rule allows"),
    "a branch in other letters": (lambda hall: hall.token(ref="refs/heads/Main"), "No OIDC rule allows"),
    "another environment": (lambda hall: hall.token(ref="refs/heads/x", environment="staging"), "No OIDC rule allows"),
    "another workflow file": (
        lambda hall: hall.token("central/fleet", job_workflow_ref=f"evil/{FLEET}"),
        "No OIDC rule",
    ),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_who_is_not_meant_does_not_get_in(hall: Hall, kind: str) -> None:
    make, reason = FORGERIES[kind]
    token = make(hall)
    # From an address of its own: who fails again and again from one waits longer and longer.
    source = f"10.0.0.{list(FORGERIES).index(kind) + 1}"
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": source}
    body = {"repo": "acme/widgets", "name": "widgets-x", "labels": "linux"}
    answer = requests.post(f"{hall.server.url}/api/v1/runners", json=body, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert reason in answer.json()["detail"]
    assert token not in answer.text
    assert hall.server.status("widgets-x")["status"] == "not_installed"
    (line,) = [line for line in hall.audited() if line["source"] == source]
    assert (line["action"], line["result"]) == ("runner.create", "unauthorized")
    proven = "No OIDC rule" in reason
    assert line["actor"].startswith("oidc:") if proven else line["actor"] == "nobody"


def test_the_tokens_of_others_stay_as_quick_and_as_good(hall: Hall) -> None:
    token = hall.host.cli("token", "create", "web", "--repo", "acme/*").stdout.strip()
    assert hall.ask(token).json()["name"] == "web"
    assert hall.ask(hall.server.token).json()["actor"] == "operator"


def test_what_a_workflow_did_is_audited_and_its_token_is_nowhere(hall: Hall) -> None:
    before = len(hall.audited())
    tokens = [hall.token(), hall.token("globex/site"), hall.token(exp=now(-120))]
    for token in tokens:
        hall.create(token, "widgets-7")
    hall.ask(tokens[0], "DELETE", "/api/v1/runners/widgets-7?force=true")
    deeds = [(deed["actor"], deed["action"], deed["object"], deed["result"]) for deed in hall.audited()[before:]]
    assert deeds == [
        ("oidc:acme/widgets@refs/heads/main", "runner.create", "widgets-7", "ok"),
        ("oidc:globex/site@refs/heads/main", "runner.create", "", "unauthorized"),
        ("nobody", "runner.create", "", "unauthorized"),
        ("oidc:acme/widgets@refs/heads/main", "runner.remove", "widgets-7", "ok"),
    ]
    for token in tokens:
        headers = {"Authorization": f"Bearer {token}", "X-Request-Id": token}
        for path in (f"/api/v1/{token}", f"/api/v1/runners/{token}"):
            assert token not in requests.get(f"{hall.server.url}{path}", headers=headers, timeout=10).text
    files = [path for path in hall.host.top.rglob("*") if path.is_file() and not path.is_symlink()]
    text = "".join(path.read_bytes().decode(errors="replace") for path in files)
    for token in tokens:
        assert not any(piece in text for piece in token.split(".")[1:])


# --- The issuer's keys ---


@pytest.fixture
def keyless(serve: Callable[..., Server], host: Host, sandbox: Sandbox) -> Callable[[], Hall]:
    """A server of this test's own, which knows no key yet."""

    def start() -> Hall:
        return Hall(serve(**settings(sandbox)), sandbox, host)

    return start


def test_a_changed_key_counts_at_once_and_the_one_before_no_more(keyless: Callable[[], Hall]) -> None:
    hall = keyless()
    old = hall.token()
    assert hall.ask(old).status_code == 200
    hall.sandbox.rotate_oidc_key()
    assert hall.ask(old).status_code == 200  # the key is still remembered
    assert hall.ask(hall.token()).status_code == 200
    assert "does not offer" in hall.ask(old).json()["detail"]
    hall.sandbox.rotate_oidc_key()
    late = hall.ask(hall.token())  # unknown keys make us ask once in half a minute, or strangers could
    assert (late.status_code, "try again in 30 s" in late.json()["hint"]) == (401, True)


@pytest.mark.parametrize("fault", [Fault("well-known", status=503, times=None), Fault("jwks", drop=True, times=None)])
def test_without_the_issuer_no_workflow_gets_in_and_others_do(keyless: Callable[[], Hall], fault: Fault) -> None:
    hall = keyless()
    hall.sandbox.add_fault(fault)
    answer = hall.create(hall.token(), "widgets-x")
    assert (answer.status_code, answer.json()["code"]) == (503, "issuer_unavailable")
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    assert "cannot be fetched" in answer.json()["detail"]
    assert hall.ask(hall.server.token).status_code == 200
    assert hall.audited()[-1]["result"] == "issuer_unavailable"
    hall.sandbox.clear_faults()
    until(lambda: hall.ask(hall.token()).status_code == 200)
    hall.sandbox.add_fault(fault)
    assert hall.ask(hall.token()).status_code == 200  # its key is known
    hall.sandbox.rotate_oidc_key()
    assert hall.ask(hall.token()).json()["code"] == "issuer_unavailable"


def test_however_many_wait_the_issuer_is_asked_once_and_nobody_else_waits(keyless: Callable[[], Hall]) -> None:
    hall = keyless()
    hall.sandbox.add_fault(Fault("jwks", status=500, delay=4.0))  # once: who asked a second time would get in
    token = hall.token()
    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(hall.ask, token) for _ in range(16)]
        assert hall.ask(hall.server.token).status_code == 200
        assert not any(each.done() for each in waiting)
        assert {answer.result().json().get("code") for answer in waiting} == {"issuer_unavailable"}


WEAK = generate_private_key(public_exponent=65537, key_size=1024)
CONFIGURATION = {"issuer": "{issuer}", "jwks_uri": "{issuer}/.well-known/jwks"}


HUGE = RSAPublicNumbers(e=65537, n=(1 << 100_000) + 1).public_key()
"""Any odd number will do: nobody asks for its primes."""


def key_set(public_key: Any, **more: Any) -> dict[str, Any]:
    return {"keys": [{**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(public_key)), "kid": "one", **more}]}


MISBEHAVING: dict[str, tuple[str, Any, str]] = {
    "not JSON": ("jwks", "<html>", "not JSON"),
    "not an object": ("jwks", [], "not a JSON object"),
    "another issuer's": ("openid", {**CONFIGURATION, "issuer": "https://evil.example"}, "another issuer's"),
    "keys on a plain address": ("openid", {**CONFIGURATION, "jwks_uri": "http://evil.example/k"}, "no https address"),
    "keys in a file": ("openid", {**CONFIGURATION, "jwks_uri": "file:///etc/passwd"}, "no https address"),
    "no keys": ("jwks", {"keys": []}, "no RS256 or ES256 key"),
    "a secret as key": ("jwks", {"keys": [{"kty": "oct", "kid": "one", "k": "c2VjcmV0", "alg": "HS256"}]}, "no RS256"),
    "a key to encrypt with": ("jwks", key_set(STRANGER_PUBLIC, use="enc"), "no RS256"),
    "a key for another algorithm": ("jwks", key_set(STRANGER_PUBLIC, alg="RS512"), "no RS256"),
    "a weak key": ("jwks", key_set(WEAK.public_key()), "no RS256"),
    "a key that takes long to check with": ("jwks", key_set(HUGE), "no RS256"),
    "a private key": ("jwks", key_set(WEAK), "no RS256"),
    "broken keys": ("jwks", {"keys": [None, {"kty": "RSA", "kid": "one", "n": "!"}, {"kty": ["RSA"]}]}, "no RS256"),
    "too much": ("jwks", "x" * 300_000, "too long"),
}


@pytest.mark.parametrize("kind", MISBEHAVING)
def test_an_issuer_that_misbehaves_gives_no_key(sandbox: Sandbox, kind: str) -> None:
    match, body, reason = MISBEHAVING[kind]
    if match == "openid":
        body = {name: text.replace("{issuer}", sandbox.server_url) for name, text in body.items()}
    sandbox.add_fault(Fault(match, status=200, body=body))
    with pytest.raises(IssuerUnavailable, match=reason):
        fetch(sandbox)
    assert list(fetch(sandbox)) == ["sandbox-1"]


def test_a_redirect_of_the_issuer_is_not_followed(sandbox: Sandbox) -> None:
    elsewhere = {"Location": f"{sandbox.server_url}/.well-known/jwks"}
    sandbox.add_fault(Fault("openid", status=302, body="", headers=elsewhere))
    with pytest.raises(IssuerUnavailable, match="the answer is 302"):
        fetch(sandbox)


def test_a_key_on_an_elliptic_curve_is_for_its_own_algorithm_alone() -> None:
    keys = {curve: ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1)}
    listed = [
        {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())), "kid": curve.name}
        for curve, key in keys.items()
    ]
    found = id_tokens.signing_keys({"keys": listed})
    assert {kid: key.algorithm for kid, key in found.items()} == {"secp256r1": "ES256"}
    claims = {"iss": "i", "aud": "a", "sub": "s", "repository": "acme/x", "iat": now(0), "nbf": now(0), "exp": now(60)}
    token = jwt.encode(claims, keys[ec.SECP256R1], algorithm="ES256")
    assert id_tokens.proven(token, found["secp256r1"], issuer="i", audience="a") == claims


# --- The settings ---

ISSUER, RULE = "https://token.actions.githubusercontent.com", '[{"match": {"repository": "acme/*"}}]'


@pytest.mark.parametrize(
    ("issuer", "audience", "rules", "says"),
    [
        (ISSUER, "", RULE, "no oidc.audience"),
        ("", "a", "", "no oidc.issuer"),
        ("", "", RULE, "no oidc.issuer"),
        ("http://token.example", "a", RULE, "use an https address"),
        ("https://user:word@token.example", "a", RULE, "what looks like a secret"),
        ("token.example", "a", RULE, "use an https address"),
        (ISSUER, "a", "{", "oidc.rules"),
        (ISSUER, "a", '{"match": {}}', "Expected `array`"),
        (ISSUER, "a", '[{"match": {}}]', "must say whose workflows"),
        (ISSUER, "a", '[{"match": {"ref": "refs/heads/main"}}]', "must say whose workflows"),
        (ISSUER, "a", '[{"match": {"repo": "acme/x"}}]', "Invalid enum value 'repo'"),
        (ISSUER, "a", '[{"match": {"repository": "acme"}}]', "Repository pattern 'acme'"),
        (ISSUER, "a", '[{"match": {"repository": "acme/x"}, "scopes": ["all"]}]', "Invalid enum value 'all'"),
        (ISSUER, "a", '[{"match": {"repository": "acme/x"}, "repo": ["acme/y"]}]', "unknown field `repo`"),
        (ISSUER, "a", '[{"match": {"repository": "acme/x"}, "repos": ["acme"]}]', "Repository pattern 'acme'"),
        (ISSUER, "a", '[{"match": {"repository": "acme/x"}, "labels": ["a,b"]}]', "Label pattern"),
        (ISSUER, "a", '[{"match": {"repository": "acme/x"}, "max_runners": 0}]', "above 0"),
        (ISSUER, "a", "", "no workflow is allowed"),
    ],
)
def test_settings_that_say_half_are_refused(host: Host, issuer: str, audience: str, rules: str, says: str) -> None:
    changes = {"RUNNERCTL_OIDC_ISSUER": issuer, "RUNNERCTL_OIDC_AUDIENCE": audience, "RUNNERCTL_OIDC_RULES": rules}
    host.write_env_file(**changes)
    ran = cli("config", "validate", env={"RUNNERCTL_ENV_FILE": str(host.env_file)})
    assert ran.status == (0 if says == "no workflow is allowed" else 2), ran.stderr
    assert says in ran.stderr


def test_the_config_file_has_rules_as_a_list_and_a_reload_reads_them_again(
    serve: Callable[..., Server], host: Host, sandbox: Sandbox
) -> None:
    """No API token is needed then."""
    file = host.top / "runnerctl.yaml"
    text = f"oidc:\n  issuer: {sandbox.server_url}\n  audience: {AUDIENCE}\n  rules:\n"
    file.write_text(f"{text}    - match: {{repository: acme/*}}\n      scopes: ['runners:read']\n")
    host.write_env_file(GITHUB_WFA_RUNNER_SERVER__API_TOKEN="")
    hall = Hall(serve(RUNNERCTL_CONFIG=str(file)), sandbox, host)
    assert hall.ask(hall.token()).json()["scopes"] == ["runners:read"]
    for rules, reloaded in (("    - match: {ref: x}\n", False), ("    - match: {repository: globex/*}\n", True)):
        file.write_text(f"{text}{rules}")
        before = hall.server.log.read_text()
        hall.server.signal(signal.SIGHUP)
        until(lambda before=before: "reloaded" in hall.server.log.read_text().removeprefix(before))
        assert (hall.ask(hall.token()).status_code == 200) is not reloaded
    assert hall.ask(hall.token("globex/x")).status_code == 200


def test_the_guides_rules_can_be_used_and_it_names_every_claim(tmp_path: Path) -> None:
    guide = (REPOSITORY / "docs" / "security.md").read_text()
    file = tmp_path / "runnerctl.yaml"
    file.write_text(re.findall(r"```yaml\n(oidc:.*?)```", guide, re.DOTALL)[0])
    policy = workflow_policy(load(environ={"RUNNERCTL_CONFIG": str(file)}))
    assert policy is not None
    assert [rule.repos for rule in policy.rules] == [("octo-org/*",), None]
    (named,) = re.findall(r"Claims are (.*?);", guide, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", named)) == set(get_args(workflow_rules.Claim))


# --- The sandbox as an issuer ---


def test_the_sandbox_gives_tokens_to_whoever_rehearses(sandbox: Sandbox) -> None:
    headers = {"Authorization": f"Bearer {sandbox.pat}"}
    url = f"{sandbox.control_url}/oidc-tokens"
    assert requests.post(url, json={}, timeout=10).status_code == 401
    given = requests.post(url, json={"repository": "acme/x", "environment": "e"}, headers=headers, timeout=10)
    claims = jwt.decode(given.json()["value"], options={"verify_signature": False})
    assert (claims["iss"], claims["sub"]) == (sandbox.server_url, "repo:acme/x:environment:e")
    assert requests.delete(f"{sandbox.control_url}/oidc-key", headers=headers, timeout=10).status_code == 204
    assert list(fetch(sandbox)) == ["sandbox-2"]


def test_what_the_sandbox_prints_is_enough_to_rehearse_a_workflow(package_dir: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "runnerctl", "sandbox", "--repo", "my/own"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        exported: dict[str, str] = {}
        while "SANDBOX_AUTHORIZATION" not in exported:
            name, _, exported_value = shlex.split(process.stdout.readline())[1].partition("=")
            exported[name] = exported_value
        host = Host.make(tmp_path, package_dir=package_dir, github=exported, token=secrets.token_hex(16))
        server = Server.start(host, {})
        name, _, authorization = exported["SANDBOX_AUTHORIZATION"].partition(": ")
        claims = {"repository": "my/own", "aud": exported["RUNNERCTL_OIDC_AUDIENCE"]}
        url = f"{exported['SANDBOX_CONTROL_URL']}/oidc-tokens"
        server.token = requests.post(url, json=claims, headers={name: authorization}, timeout=10).json()["value"]
        assert server.request("GET", "/api/v1/whoami").json()["limits"]["repos"] == ["my/own"]
        server.stop()
        process.terminate()
