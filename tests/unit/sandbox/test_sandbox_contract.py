"""The sandbox answers as GitHub does: by GitHub's own schemas, and as third-party clients read it."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import github as pygithub
import jsonschema
import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from github.Organization import Organization
from githubkit import AppAuthStrategy, GitHub, TokenAuthStrategy

from runnerctl.sandbox import Sandbox, Settings
from runnerctl.sandbox.app import build_app
from runnerctl.sandbox.keys import from_pem
from runnerctl.sandbox.rest import ROUTES
from runnerctl.sandbox.rest.routes import Access, Route
from runnerctl.sandbox.state import GitHub as GitHubState
from tests.support.places import DATA

SCHEMAS = json.loads((DATA / "github-schemas.json").read_text())
PUBLISHED = [route for route in ROUTES if not route.private]
ENDS_AT = datetime.fromisoformat("2026-11-05T08:04:55Z").timestamp()
JIT = {"name": "fresh", "runner_group_id": 1, "labels": ["self-hosted", "Linux", "gpu"], "work_folder": "_work"}
BODIES: dict[str, dict[str, Any]] = {"generate-jitconfig": JIT, "labels": {"labels": ["gpu", "big"]}}

formats = jsonschema.FormatChecker()


@formats.checks("date-time", raises=ValueError)
def is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@formats.checks("uri")
def is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme and urlsplit(value).netloc)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    archive = tmp_path_factory.mktemp("archive") / "runner.tar.gz"
    archive.write_bytes(b"a stand-in package" * 100)
    with Sandbox(archive=archive) as running:
        yield running


@pytest.fixture(scope="module")
def app_jwt(sandbox: Sandbox) -> str:
    return signed(sandbox)


@pytest.fixture(scope="module")
def installation_id(sandbox: Sandbox, app_jwt: str) -> int:
    return call(sandbox, "GET", "/orgs/octo-org/installation", app_jwt).json()["id"]


@pytest.fixture
def token(sandbox: Sandbox, app_jwt: str, installation_id: int) -> str:
    return new_token(sandbox, app_jwt, installation_id)


@pytest.fixture
def parts(sandbox: Sandbox, installation_id: int, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Something real for each variable part of a path; the scope's runner is there for this test only."""
    route: Route = request.getfixturevalue("route")
    repo = "runner" if "releases" in route.path else "octo-repo"
    owner = "actions" if "releases" in route.path else "octo-org"
    scope = "octo-org" if "{org}" in route.path else f"{owner}/{repo}"
    runner = sandbox.add_runner(scope, "given", labels=["self-hosted", "Linux", "custom"])
    yield {
        "owner": owner,
        "repo": repo,
        "org": "octo-org",
        "username": "octocat",
        "installation_id": installation_id,
        "runner_id": runner,
        "name": "custom",
        "runner_group_id": 2,
        "job_id": sandbox.submit_job(f"{owner}/{repo}", ["nowhere"], [{"run": "true"}]),
        "tag": "v2.336.0",
        "version": "2.336.0",
    }
    for seen in sandbox.runners():
        sandbox.delete_runner(seen.id)


def signed(sandbox: Sandbox, **claims: Any) -> str:
    now = int(time.time())
    return jwt.encode(
        {"iat": now - 30, "exp": now + 300, "iss": str(sandbox.app_id)} | claims, sandbox.private_key_pem, "RS256"
    )


def new_token(sandbox: Sandbox, app_jwt: str, installation_id: int) -> str:
    answer = call(sandbox, "POST", f"/app/installations/{installation_id}/access_tokens", app_jwt)
    assert answer.status_code == 201
    return str(answer.json()["token"])


def call(
    sandbox: Sandbox, method: str, path: str, token: str | None = None, body: Any = None, **headers: str
) -> requests.Response:
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return requests.request(method, sandbox.api_url + path, json=body, headers=headers, timeout=10)


def key_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def body_for(route: Route) -> dict[str, Any] | None:
    return BODIES.get(route.path.rpartition("/")[2]) if route.method in {"POST", "PUT"} else None


def validate(operation: str, answer: requests.Response) -> None:
    """The answer is one that GitHub publishes for this operation."""
    responses = SCHEMAS["operations"][operation]["responses"]
    assert str(answer.status_code) in responses, answer.text
    schema = responses[str(answer.status_code)]
    if schema is None:
        assert answer.content == b""
        return
    checked = {**schema, "$defs": SCHEMAS["$defs"]}
    jsonschema.Draft202012Validator(checked, format_checker=formats).validate(answer.json())


every_route = pytest.mark.parametrize("route", PUBLISHED, ids=key_of)


@every_route
def test_every_route_answers_by_githubs_schema(sandbox, route, parts, app_jwt):
    credentials = app_jwt if route.access is Access.APP else new_token(sandbox, app_jwt, parts["installation_id"])
    answer = call(sandbox, route.method, route.path.format(**parts), credentials, body_for(route))
    assert answer.ok, answer.text
    validate(key_of(route), answer)
    assert int(answer.headers["X-RateLimit-Remaining"]) > 0
    assert answer.headers["X-GitHub-Request-Id"]
    assert answer.headers["X-Accepted-GitHub-Permissions"] == route.accepted_permissions
    assert not answer.content or answer.headers["Content-Type"].startswith("application/json")


def test_no_route_of_the_api_escapes_these_tests(app_key):
    github = GitHubState(app_key=app_key.public_key(), runner_key=app_key, pat="ghp_x", settings=Settings())
    served = {(route.method, route.resource.canonical) for route in build_app(github, "ghp_x").router.routes()}
    rest = {(method, path.removeprefix("/api/v3")) for method, path in served if path.startswith("/api/v3")}
    assert rest - {("*", "/{unknown}")} == {(route.method, route.path) for route in ROUTES}
    assert {key_of(route) for route in ROUTES if route.private} == {
        "POST /actions/runner-registration",
        "POST /actions/runners/register",
        "GET /repos/{owner}/{repo}/actions/runner-groups",
    }


@pytest.fixture
def app_key(sandbox: Sandbox) -> RSAPrivateKey:
    return from_pem(sandbox.private_key_pem)


@pytest.fixture(scope="module")
def kits(sandbox: Sandbox) -> dict[bool, GitHub[Any]]:
    """For the App's own routes, and for the others. Making a client takes longer than all its calls."""
    app = AppAuthStrategy(sandbox.app_id, sandbox.private_key_pem)
    return {True: kit_with(sandbox, app), False: kit_with(sandbox, TokenAuthStrategy(sandbox.pat))}


KNOWN_TO_GITHUBKIT = [route for route in PUBLISHED if "/deprecations/" not in route.path]
"""It is made of an older description than September 2026's."""


@pytest.mark.parametrize("route", KNOWN_TO_GITHUBKIT, ids=key_of)
def test_githubkit_reads_every_route(sandbox, kits, route, parts, app_jwt):
    kit = kits[route.access is Access.APP]
    if route.path == "/installation/token":
        kit = kit_with(sandbox, TokenAuthStrategy(new_token(sandbox, app_jwt, parts["installation_id"])))
    category, _, name = SCHEMAS["operations"][key_of(route)]["id"].partition("/")
    operation = getattr(getattr(kit.rest, category.replace("-", "_")), name.replace("-", "_"))
    given = {part: value for part, value in parts.items() if f"{{{part}}}" in route.path}
    response = operation(**given, **(body_for(route) or {}))
    assert response.status_code in {200, 201, 204}
    if response.status_code != 204:
        assert response.parsed_data is not None


def kit_with(sandbox: Sandbox, auth: Any) -> GitHub[Any]:
    return GitHub(auth, base_url=sandbox.api_url, http_cache=False, auto_retry=False)


def test_githubkit_signs_in_as_an_installation_by_itself(sandbox, installation_id):
    kit = kit_with(sandbox, AppAuthStrategy(sandbox.app_id, sandbox.private_key_pem).as_installation(installation_id))
    made = kit.rest.actions.generate_runner_jitconfig_for_org("octo-org", **{**JIT, "name": "by-kit"}).parsed_data
    assert made.runner.os == "unknown"
    assert kit.rest.actions.get_self_hosted_runner_for_org("octo-org", made.runner.id).parsed_data.name == "by-kit"
    kit.rest.actions.delete_self_hosted_runner_from_org("octo-org", made.runner.id)


def test_pygithub_manages_the_runners_of_an_organization(sandbox, token):
    client = pygithub_client(sandbox, pygithub.Auth.Token(token))
    org = Organization(client.requester, {}, {"login": "octo-org", "url": f"{sandbox.api_url}/orgs/octo-org"})
    made = org.create_self_hosted_runner_jitconfig("by-pygithub", 1, ["self-hosted", "py"])
    assert made.runner.name == "by-pygithub"
    assert base64.b64decode(made.encoded_jit_config)
    assert [found.id for found in org.get_self_hosted_runners(name="BY-pygithub")] == [made.runner.id]
    assert {label["name"] for label in org.get_self_hosted_runner(made.runner.id).labels} == {"self-hosted", "py"}
    assert {package.architecture for package in org.get_self_hosted_runner_applications()} == {"x64", "arm64"}
    assert org.create_self_hosted_runner_registration_token().expires_at
    assert org.create_self_hosted_runner_remove_token().token
    org.delete_self_hosted_runner(made.runner.id)
    with pytest.raises(pygithub.UnknownObjectException):
        org.get_self_hosted_runner(made.runner.id)


def test_pygithub_manages_the_runners_of_a_repository(sandbox, token):
    repo = pygithub_client(sandbox, pygithub.Auth.Token(token)).get_repo("octo-org/some-repo")
    made = [sandbox.add_runner("octo-org/some-repo", f"page-{number:02}") for number in range(35)]
    assert [found.id for found in repo.get_self_hosted_runners()] == made
    assert repo.remove_self_hosted_runner(made[0])
    assert repo.get_self_hosted_runners().totalCount == 34


def test_pygithub_finds_installations_and_makes_tokens(sandbox):
    auth = pygithub.Auth.AppAuth(sandbox.app_id, sandbox.private_key_pem)
    integration = pygithub.GithubIntegration(
        auth=auth, base_url=sandbox.api_url, retry=None, seconds_between_requests=0
    )
    found = integration.get_org_installation("octo-org")
    assert found.id in {installation.id for installation in integration.get_installations()}
    assert integration.get_repo_installation("octo-org", "octo-repo").id == found.id
    assert integration.get_access_token(found.id).token.startswith("ghs_")


def test_pygithub_reads_limits_and_releases(sandbox):
    client = pygithub_client(sandbox, pygithub.Auth.Token(sandbox.pat))
    assert client.get_rate_limit().resources.core.remaining > 0
    release = client.get_repo("actions/runner").get_latest_release()
    assert release.tag_name == "v2.336.0"
    assert all(asset.browser_download_url.endswith(asset.name) for asset in release.assets)


@pytest.mark.parametrize("by", ["python", "http"])
def test_a_repository_is_private_until_it_is_published(sandbox, token, by):
    def publish(public: bool) -> None:
        if by == "python":
            sandbox.publish("octo-org/shown", public=public)
        else:
            headers = {"Authorization": f"Bearer {sandbox.pat}"}
            url = f"{sandbox.control_url}/repositories/octo-org/shown"
            requests.put(url, json={"public": public}, headers=headers, timeout=10).raise_for_status()

    def seen() -> tuple[bool, str]:
        repo = pygithub.Github(
            auth=pygithub.Auth.Token(token), base_url=sandbox.api_url, retry=None, seconds_between_requests=0
        ).get_repo("Octo-Org/Shown")
        return repo.private, repo.visibility

    assert seen() == (True, "private")
    publish(public=True)
    assert seen() == (False, "public")
    claims = jwt.decode(sandbox.oidc_token("octo-org/shown", audience="x"), options={"verify_signature": False})
    assert claims["repository_visibility"] == "public"
    publish(public=False)
    assert seen() == (True, "private")


def pygithub_client(sandbox: Sandbox, auth: Any) -> pygithub.Github:
    return pygithub.Github(
        auth=auth, base_url=sandbox.api_url, retry=None, lazy=True, seconds_between_requests=0, seconds_between_writes=0
    )


EXPIRES = (
    "'Expiration time' claim ('exp') must be a numeric value representing the future time "
    "at which the assertion expires"
)
TOO_FAR = "'Expiration time' claim ('exp') is too far in the future"
ISSUED = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"


@pytest.mark.parametrize(
    ("claim", "seconds", "message"),
    [
        ("exp", 3600, TOO_FAR),
        ("exp", -10, EXPIRES),
        ("exp", 100.5, EXPIRES),
        ("iat", -60.5, ISSUED),
        ("iat", 300, ISSUED),
    ],
)
def test_wrong_times_in_a_jwt_are_refused_in_githubs_words(sandbox, claim, seconds, message):
    answer = call(sandbox, "GET", "/app", signed(sandbox, **{claim: int(time.time()) + seconds}))
    assert (answer.status_code, answer.json()["message"]) == (401, message)
    assert answer.headers["Date"]


def test_a_jwt_of_another_key_cannot_be_decoded(sandbox, app_jwt):
    head, claims, signature = app_jwt.split(".")
    forged = ".".join([head, claims, signature[::-1]])
    answer = call(sandbox, "GET", "/app", forged)
    assert (answer.status_code, answer.json()["message"]) == (401, "A JSON web token could not be decoded")


def test_an_unsigned_jwt_cannot_be_decoded(sandbox):
    now = int(time.time())
    claims = {"iat": now, "exp": now + 60, "iss": str(sandbox.app_id)}
    answer = call(sandbox, "GET", "/app", jwt.encode(claims, None, "none"))
    assert (answer.status_code, answer.json()["message"]) == (401, "A JSON web token could not be decoded")


def test_the_client_id_is_an_issuer_too_and_others_are_not_found(sandbox):
    assert call(sandbox, "GET", "/app", signed(sandbox, iss=sandbox.client_id)).status_code == 200
    answer = call(sandbox, "GET", "/app", signed(sandbox, iss="999"))
    assert (answer.status_code, answer.json()["message"]) == (404, "Integration not found")


def test_githubs_clock_is_the_one_that_counts(sandbox):
    sandbox.clock_offset = -3600
    try:
        answer = call(sandbox, "GET", "/app", signed(sandbox))
        assert answer.json()["message"] == TOO_FAR
        behind = time.time() - datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT").timestamp()
        assert behind + time.timezone > 3500
    finally:
        sandbox.clock_offset = 0


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A call that GitHub refuses, and how."""

    route: str
    path: str
    status: int
    message: str
    body: Any = None
    by: str = "token"


RUNNERS = "/orgs/octo-org/actions/runners"
JITCONFIG = "POST /orgs/{org}/actions/runners/generate-jitconfig"
WRONG = [
    Wrong(
        route="GET /repos/{owner}/{repo}/installation",
        path="/repos/octo-org/missing/installation",
        by="app",
        status=404,
        message="Not Found",
    ),
    Wrong(
        route="GET /orgs/{org}/actions/runners/{runner_id}", path=f"{RUNNERS}/987654", status=404, message="Not Found"
    ),
    Wrong(route="GET /orgs/{org}/actions/runners/{runner_id}", path=f"{RUNNERS}/abc", status=404, message="Not Found"),
    Wrong(
        route="DELETE /orgs/{org}/actions/runners/{runner_id}",
        path=f"{RUNNERS}/987654",
        status=404,
        message="Not Found",
    ),
    Wrong(
        route="GET /repos/{owner}/{repo}/releases/tags/{tag}",
        path="/repos/actions/runner/releases/tags/v1.0.0",
        status=404,
        message="Not Found",
    ),
    Wrong(
        route=JITCONFIG,
        path=f"{RUNNERS}/generate-jitconfig",
        body={**JIT, "runner_group_id": 99},
        status=404,
        message="Not Found",
    ),
    Wrong(
        route=JITCONFIG,
        path=f"{RUNNERS}/generate-jitconfig",
        body={**JIT, "name": "TAKEN"},
        status=409,
        message="Already exists - A runner with the name *** already exists.",
    ),
    Wrong(
        route=JITCONFIG, path=f"{RUNNERS}/generate-jitconfig", body={}, status=422, message='"name" wasn\'t supplied'
    ),
    Wrong(
        route=JITCONFIG,
        path=f"{RUNNERS}/generate-jitconfig",
        body={**JIT, "labels": []},
        status=422,
        message="No fewer than 1 items",
    ),
    Wrong(
        route=JITCONFIG,
        path=f"{RUNNERS}/generate-jitconfig",
        body={**JIT, "labels": ["x"] * 101},
        status=422,
        message="No more than 100 items",
    ),
    Wrong(
        route=JITCONFIG,
        path=f"{RUNNERS}/generate-jitconfig",
        body={**JIT, "runner_group_id": "1"},
        status=422,
        message="is not an integer",
    ),
    Wrong(
        route=JITCONFIG,
        path=f"{RUNNERS}/generate-jitconfig",
        body=[1],
        status=400,
        message="Body should be a JSON object",
    ),
    Wrong(route="GET /app", path="/app", status=401, message="A JSON web token could not be decoded"),
    Wrong(
        route="GET /orgs/{org}/actions/runners",
        path="/orgs/no-permission/actions/runners",
        status=403,
        message="Must have admin rights",
        by="user",
    ),
    Wrong(route="GET /repos/{owner}/{repo}", path="/repos/octo-org/missing", status=404, message="Not Found"),
    Wrong(route="GET /repos/{owner}/{repo}", path="/repos/other-org/x", status=404, message="Not Found"),
    Wrong(
        route="GET /repos/{owner}/{repo}/actions/runners",
        path="/repos/other-org/x/actions/runners",
        status=404,
        message="Not Found",
    ),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.path} {wrong.status} {wrong.message[:20]}")
def test_wrong_calls_are_refused_as_github_does(sandbox, token, app_jwt, wrong):
    taken = sandbox.add_runner("octo-org", "taken")
    method = wrong.route.partition(" ")[0]
    credentials = {"token": token, "user": sandbox.pat, "app": app_jwt}[wrong.by]
    answer = call(sandbox, method, wrong.path, credentials, wrong.body)
    sandbox.delete_runner(taken)
    assert answer.status_code == wrong.status
    body = answer.json()
    assert wrong.message in body["message"]
    assert body["status"] == str(wrong.status)
    assert body["documentation_url"].startswith("https://docs.github.com/")
    if str(wrong.status) in SCHEMAS["operations"][wrong.route]["responses"]:
        validate(wrong.route, answer)


def test_a_missing_permission_is_named(sandbox, app_jwt):
    lacking = call(sandbox, "GET", "/orgs/no-permission/installation", app_jwt).json()
    token = new_token(sandbox, app_jwt, lacking["id"])
    answer = call(sandbox, "GET", "/repos/no-permission/x/actions/runners", token)
    assert (answer.status_code, answer.json()["message"]) == (403, "Resource not accessible by integration")
    assert answer.headers["X-Accepted-GitHub-Permissions"] == "administration=read"


def test_where_the_app_is_not_installed_there_is_no_installation(sandbox, app_jwt):
    for path in ("/orgs/not-installed/installation", "/repos/Not-Installed/x/installation"):
        assert call(sandbox, "GET", path, app_jwt).status_code == 404


def test_a_token_may_ask_for_less_but_not_for_more(sandbox, app_jwt, installation_id):
    path = f"/app/installations/{installation_id}/access_tokens"
    asked = {"permissions": {"administration": "read"}, "repositories": ["octo-repo"]}
    narrow = call(sandbox, "POST", path, app_jwt, asked).json()
    assert narrow["repository_selection"] == "selected"
    assert call(sandbox, "GET", "/repos/octo-org/octo-repo/actions/runners", narrow["token"]).status_code == 200
    assert call(sandbox, "GET", "/repos/octo-org/other/actions/runners", narrow["token"]).status_code == 403
    remove = "/repos/octo-org/octo-repo/actions/runners/remove-token"
    assert call(sandbox, "POST", remove, narrow["token"]).status_code == 403
    assert call(sandbox, "POST", path, app_jwt, {"permissions": {"contents": "write"}}).status_code == 422


@pytest.mark.parametrize("end", ["expired", "revoked", "deleted"])
def test_a_token_that_ended_is_bad_credentials(sandbox, app_jwt, installation_id, end):
    token = new_token(sandbox, app_jwt, installation_id)
    assert call(sandbox, "GET", RUNNERS, token).status_code == 200
    if end == "expired":
        sandbox.clock_offset = 3601
    elif end == "revoked":
        sandbox.revoke_tokens()
    else:
        call(sandbox, "DELETE", "/installation/token", token)
    answer = call(sandbox, "GET", RUNNERS, token)
    sandbox.clock_offset = 0
    assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")


def test_without_credentials_only_public_things_are_told(sandbox):
    assert call(sandbox, "GET", "/repos/actions/runner/releases/latest").status_code == 200
    answer = call(sandbox, "GET", RUNNERS)
    assert (answer.status_code, answer.json()["message"]) == (401, "Requires authentication")
    assert call(sandbox, "GET", "/meta", "ghs_nonsense").status_code == 401


def test_a_request_without_a_user_agent_is_forbidden(sandbox):
    answer = requests.get(f"{sandbox.api_url}/meta", headers={"User-Agent": ""}, timeout=10)
    assert answer.status_code == 403
    assert "User-Agent" in answer.text


def test_broken_json_is_a_parsing_problem(sandbox):
    headers = {"Authorization": f"Bearer {sandbox.pat}"}
    answer = requests.post(f"{sandbox.api_url}{RUNNERS}/generate-jitconfig", data="{", headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["message"]) == (400, "Problems parsing JSON")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("PATCH", "/meta"), ("GET", "/meta/"), ("PUT", RUNNERS)]
)
def test_what_does_not_exist_is_not_found(sandbox, method, path):
    answer = call(sandbox, method, path, sandbox.pat)
    assert (answer.status_code, answer.json()["message"]) == (404, "Not Found")


def test_api_versions_are_checked_and_the_new_one_has_no_rate(sandbox):
    assert "rate" in call(sandbox, "GET", "/rate_limit").json()
    newest = requests.get(f"{sandbox.api_url}/rate_limit", headers={"X-GitHub-Api-Version": "2026-03-10"}, timeout=10)
    assert "rate" not in newest.json()
    unknown = requests.get(f"{sandbox.api_url}/rate_limit", headers={"X-GitHub-Api-Version": "2020-01-01"}, timeout=10)
    assert unknown.status_code == 400


def test_an_unchanged_list_is_not_sent_again_and_costs_nothing(sandbox, token):
    first = call(sandbox, "GET", RUNNERS, token)
    again = requests.get(
        sandbox.api_url + RUNNERS,
        headers={"Authorization": f"Bearer {token}", "If-None-Match": first.headers["ETag"]},
        timeout=10,
    )
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["X-RateLimit-Remaining"] == first.headers["X-RateLimit-Remaining"]
    added = sandbox.add_runner("octo-org", "newcomer")
    changed = requests.get(sandbox.api_url + RUNNERS, headers=dict(again.request.headers), timeout=10)
    sandbox.delete_runner(added)
    assert changed.status_code == 200
    assert changed.json()["total_count"] == first.json()["total_count"] + 1


def test_pages_are_linked_by_absolute_addresses(sandbox, token):
    for number in range(5):
        sandbox.add_runner("octo-org/paged", f"p-{number}")
    seen, url = [], f"{sandbox.api_url}/repos/octo-org/paged/actions/runners?per_page=2"
    while url:
        page = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10)
        assert page.json()["total_count"] == 5
        seen += [runner["name"] for runner in page.json()["runners"]]
        url = page.links.get("next", {}).get("url")
    assert seen == [f"p-{number}" for number in range(5)]
    assert set(page.links) == {"prev", "first"}


def test_names_do_not_regard_case(sandbox, token):
    runner = sandbox.add_runner("octo-org/Cased", "Mixed")
    path = "/repos/OCTO-org/cASED/actions/runners"
    assert call(sandbox, "GET", f"{path}?name=mIXED", token).json()["runners"][0]["id"] == runner
    assert call(sandbox, "GET", f"{path}?name=mIXE", token).json()["total_count"] == 0


def test_a_jit_configuration_holds_the_three_files_of_a_runner(sandbox, token):
    answer = call(sandbox, "POST", f"{RUNNERS}/generate-jitconfig", token, {**JIT, "name": "blob", "work_folder": "w"})
    made = answer.json()
    sandbox.delete_runner(made["runner"]["id"])
    files = {
        name: json.loads(base64.b64decode(content))
        for name, content in json.loads(base64.b64decode(made["encoded_jit_config"])).items()
    }
    assert set(files) == {".runner", ".credentials", ".credentials_rsaparams"}
    assert files[".runner"]["AgentId"] == str(made["runner"]["id"])
    assert files[".runner"]["WorkFolder"] == "w"
    assert files[".runner"]["ServerUrlV2"].startswith(sandbox.server_url)
    assert set(files[".credentials_rsaparams"]) == {"d", "dp", "dq", "exponent", "inverseQ", "modulus", "p", "q"}
    kinds = {label["name"]: label["type"] for label in made["runner"]["labels"]}
    assert kinds == {"self-hosted": "read-only", "Linux": "read-only", "gpu": "custom"}


def test_labels_that_are_read_only_stay(sandbox, token):
    runner = sandbox.add_runner("octo-org", "labelled", labels=["self-hosted", "one"])
    path = f"{RUNNERS}/{runner}/labels"

    def names(answer: requests.Response) -> list[str]:
        return [label["name"] for label in answer.json()["labels"]]

    assert names(call(sandbox, "POST", path, token, {"labels": ["ONE", "two"]})) == ["self-hosted", "one", "two"]
    assert names(call(sandbox, "DELETE", f"{path}/one", token)) == ["self-hosted", "two"]
    assert call(sandbox, "DELETE", f"{path}/one", token).status_code == 404
    assert call(sandbox, "DELETE", f"{path}/self-hosted", token).status_code == 422
    assert names(call(sandbox, "PUT", path, token, {"labels": ["three"]})) == ["self-hosted", "three"]
    assert names(call(sandbox, "DELETE", path, token)) == ["self-hosted"]
    sandbox.delete_runner(runner)


def test_downloads_have_the_checksum_that_all_three_sources_name(sandbox, token):
    package = next(
        found for found in call(sandbox, "GET", f"{RUNNERS}/downloads", token).json() if found["architecture"] == "x64"
    )
    release = call(sandbox, "GET", "/repos/actions/runner/releases/latest").json()
    asset = next(found for found in release["assets"] if found["name"] == package["filename"])
    content = requests.get(package["download_url"], timeout=10).content
    checksum = hashlib.sha256(content).hexdigest()
    assert package["sha256_checksum"] == checksum
    assert asset["digest"] == f"sha256:{checksum}"
    assert asset["size"] == len(content)
    assert f"BEGIN SHA linux-x64 -->{checksum}<!-- END" in release["body"]
    assert asset["browser_download_url"] == package["download_url"]


@pytest.mark.parametrize("scope", ["/repos/octo-org/octo-repo", "/orgs/octo-org"])
def test_when_a_version_ends_is_told_by_version_and_unknown_ones_are_not_found(sandbox, token, scope):
    path = f"{scope}/actions/runners/deprecations"
    assert call(sandbox, "GET", f"{path}/2.336.0", token).json() == {
        "runner_version": "2.336.0",
        "runtime_deprecates_at": None,
    }
    sandbox.end_version("2.336.0", runtime=ENDS_AT)
    told = call(sandbox, "GET", f"{path}/2.336.0", token).json()
    assert told["runtime_deprecates_at"] == "2026-11-05T08:04:55Z"
    assert "registration_deprecates_at" not in told
    sandbox.end_version("2.336.0", registration=ENDS_AT)
    assert call(sandbox, "GET", f"{path}/2.336.0", token).json()["registration_deprecates_at"] == "2026-11-05T08:04:55Z"
    sandbox.end_version("2.336.0")
    assert call(sandbox, "GET", f"{path}/9.9.9", token).status_code == 404
    sandbox.deprecations = False
    try:
        assert call(sandbox, "GET", f"{path}/2.336.0", token).status_code == 404
    finally:
        sandbox.deprecations = True


def test_a_download_can_be_continued(sandbox):
    release = requests.get(f"{sandbox.api_url}/repos/actions/runner/releases/latest", timeout=10).json()
    url = release["assets"][0]["browser_download_url"]
    rest = requests.get(url, headers={"Range": "bytes=100-"}, timeout=10)
    assert rest.status_code == 206
    assert rest.content == requests.get(url, timeout=10).content[100:]
