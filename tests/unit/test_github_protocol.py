"""What GitHub's answers mean, and what runnerctl asks: no network here."""

from __future__ import annotations

import json

import pytest

from runnerctl.core.domain.errors import (
    GitHubBusy,
    GitHubConflict,
    GitHubCredentials,
    GitHubNoAnswer,
    GitHubNotFound,
    GitHubRateLimited,
    GitHubRefused,
    GitHubUnavailable,
)
from runnerctl.core.domain.models import Scope
from runnerctl.core.github import requests as protocol
from runnerctl.core.github.answers import (
    WireDownload,
    WireInstallation,
    WireJitConfig,
    WireRelease,
    WireRunner,
    WireRunners,
)
from runnerctl.core.github.errors import MAX_FOREIGN_TEXT, blames_our_clock, decode
from runnerctl.core.github.requests import Answer, next_page

REPO = Scope(owner="octo-org", repo="octo-repo")
ORG = Scope(owner="octo-org")

JIT = protocol.generate_jitconfig(REPO, name="r1", group_id=1, labels=("r1",), workdir="_work")
JIT_IN_GROUP = protocol.generate_jitconfig(ORG, name="r1", group_id=7, labels=("r1",), workdir="_work")
LIST = protocol.list_runners(REPO)
DELETE = protocol.delete_runner(REPO, 42)
REGISTRATION = protocol.registration_token(REPO)
INSTALLATION = protocol.find_installation(REPO)
MINT = protocol.installation_token(5)

DATE = "Tue, 24 Nov 2026 06:00:00 GMT"
DATE_SECONDS = 1795500000
RUNNING_A_JOB = 'Bad request - Runner "r1" is still running a job"'


def answer(status, message=None, *, errors=None, body=None, **headers):
    if body is None:
        body = json.dumps(
            {"message": message, "errors": errors, "documentation_url": "", "status": str(status)}
        ).encode()
    return Answer(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=body)


def refused(request, reply):
    with pytest.raises(Exception) as caught:
        decode(request, reply, WireRunners)
    return caught.value


@pytest.mark.parametrize(
    ("request_", "method", "path"),
    [
        (JIT, "POST", "repos/octo-org/octo-repo/actions/runners/generate-jitconfig"),
        (JIT_IN_GROUP, "POST", "orgs/octo-org/actions/runners/generate-jitconfig"),
        (REGISTRATION, "POST", "repos/octo-org/octo-repo/actions/runners/registration-token"),
        (protocol.remove_token(ORG), "POST", "orgs/octo-org/actions/runners/remove-token"),
        (LIST, "GET", "repos/octo-org/octo-repo/actions/runners"),
        (protocol.get_runner(ORG, 42), "GET", "orgs/octo-org/actions/runners/42"),
        (DELETE, "DELETE", "repos/octo-org/octo-repo/actions/runners/42"),
        (protocol.list_groups(ORG), "GET", "orgs/octo-org/actions/runner-groups"),
        (protocol.list_downloads(REPO), "GET", "repos/octo-org/octo-repo/actions/runners/downloads"),
        (protocol.runner_release("latest"), "GET", "repos/actions/runner/releases/latest"),
        (protocol.runner_release("2.336.0"), "GET", "repos/actions/runner/releases/tags/v2.336.0"),
        (INSTALLATION, "GET", "repos/octo-org/octo-repo/installation"),
        (protocol.find_installation(ORG), "GET", "orgs/octo-org/installation"),
        (MINT, "POST", "app/installations/5/access_tokens"),
    ],
)
def test_each_call_has_its_documented_method_and_path(request_, method, path):
    assert (request_.method, request_.path) == (method, path)


def test_a_jit_request_sends_the_full_list_of_labels():
    assert JIT.json == {"name": "r1", "runner_group_id": 1, "labels": ["r1"], "work_folder": "_work"}


def test_only_the_jit_request_must_not_be_repeated():
    assert [r.idempotent for r in (JIT, LIST, DELETE, REGISTRATION, INSTALLATION, MINT)] == [False] + [True] * 5


@pytest.mark.parametrize(
    ("request_", "reply", "error", "says"),
    [
        (LIST, answer(401, "Bad credentials"), GitHubCredentials, "Bad credentials"),
        (LIST, answer(401, "A JSON web token could not be decoded"), GitHubCredentials, "GITHUB_APP_ID"),
        (INSTALLATION, answer(401, "'Issued at' claim ('iat') must be"), GitHubCredentials, "clock"),
        (INSTALLATION, answer(404, "Integration not found"), GitHubCredentials, "GITHUB_APP_ID"),
        (INSTALLATION, answer(404, "Not Found"), GitHubNotFound, "App is not installed on 'octo-org/octo-repo', or"),
        (MINT, answer(404, "Not Found"), GitHubNotFound, "no installation 5"),
        (LIST, answer(404, "Not Found"), GitHubNotFound, "no repository 'octo-org/octo-repo', or the App is not"),
        (JIT_IN_GROUP, answer(404, "Not Found"), GitHubNotFound, "no runner group 7"),
        (
            JIT,
            answer(403, "Resource not accessible", x_accepted_github_permissions="administration=write"),
            GitHubCredentials,
            "administration=write",
        ),
        (
            JIT,
            answer(403, "Resource not accessible", x_accepted_github_permissions="a=read,b=write; c=read"),
            GitHubCredentials,
            "a=read and b=write or c=read",
        ),
        (JIT, answer(403, ""), GitHubRefused, "self-hosted runners are disabled"),
        (REGISTRATION, answer(403, ""), GitHubCredentials, "forbidden"),
        (JIT, answer(409, "Already exists - A runner with the name r1"), GitHubConflict, "Already exists"),
        (DELETE, answer(422, RUNNING_A_JOB), GitHubBusy, "still running a job"),
        (JIT, answer(422, "Invalid", errors=["group is full"]), GitHubRefused, "Invalid; group is full"),
        (
            JIT,
            answer(422, "Validation Failed", errors=[{"resource": "R", "field": "name", "code": "missing"}]),
            GitHubRefused,
            "R name missing",
        ),
        (JIT, answer(422, "Validation Failed", errors=[{"message": "no such label"}]), GitHubRefused, "no such label"),
        (LIST, answer(410, "This API version is retired"), GitHubRefused, "retired"),
        (LIST, answer(418, body=b"<html>tea</html>"), GitHubRefused, "status 418"),
        (LIST, answer(502, body=b"<html>"), GitHubUnavailable, "502"),
        (LIST, answer(200, body=b"<html>log in</html>"), GitHubUnavailable, "not understood"),
        (LIST, answer(200, body=b'{"runners": [{"id": "x"}]}'), GitHubUnavailable, "not understood"),
    ],
)
def test_a_refusal_becomes_the_error_that_says_what_to_do(request_, reply, error, says):
    exc = refused(request_, reply)
    assert type(exc) is error
    assert says in f"{exc.message} {exc.hint}"


@pytest.mark.parametrize(
    "reply",
    [answer(500, "Server Error"), answer(503, body=b""), answer(201, body=b'{"runner": {"id": 1')],
    ids=["500", "503", "cut-short"],
)
def test_a_failed_jit_request_may_have_been_carried_out(reply):
    assert type(refused(JIT, reply)) is GitHubNoAnswer


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (answer(429, "slow down", retry_after="7"), 7),
        (answer(403, "You have exceeded a secondary rate limit.", retry_after="30"), 30),
        (answer(403, "You have exceeded a secondary rate limit."), 60),
        (answer(403, "no", x_ratelimit_remaining="0", x_ratelimit_reset=str(DATE_SECONDS + 99), date=DATE), 100),
        (answer(403, "no", x_ratelimit_remaining="0", x_ratelimit_reset=str(DATE_SECONDS - 99), date=DATE), 1),
        (answer(403, "no", x_ratelimit_remaining="0", x_ratelimit_reset="soon", date="today"), 60),
        (answer(429, "no", retry_after="0"), 1),
        (answer(429, "no", retry_after="9" * 400), 86_400),
        (answer(429, "no", retry_after="-5"), 60),
    ],
)
def test_a_rate_limit_says_how_long_to_wait(reply, seconds):
    exc = refused(LIST, reply)
    assert isinstance(exc, GitHubRateLimited)
    assert exc.retry_after == seconds


def test_a_forbidden_call_with_budget_left_is_no_rate_limit():
    reply = answer(403, "Resource not accessible by integration", x_ratelimit_remaining="4999")
    assert isinstance(refused(LIST, reply), GitHubCredentials)


@pytest.mark.parametrize("status", [401, 403, 409, 422, 429, 500])
@pytest.mark.parametrize(
    "secret",
    [
        "ghs_" + "a" * 36,
        "ghs_123_" + "eyJ." * 130,
        "github_pat_" + "b" * 40,
        "Bearer 0123456789abcdef",
        "eyJ" + "A" * 900,
    ],
)
def test_a_secret_that_comes_back_is_not_in_the_message(status, secret):
    filler = "x" * (MAX_FOREIGN_TEXT - 20)  # so that the cut falls into the secret
    exc = refused(LIST, answer(status, f"{filler} {secret}"))
    assert secret[-12:] not in f"{exc.message} {exc.hint}"
    assert secret[:14] not in f"{exc.message} {exc.hint}"


def test_foreign_text_is_cut_and_loses_its_control_characters():
    exc = refused(LIST, answer(422, "a\x1b[31m\r\nb\u202e" + "c" * 1000))
    assert exc.message.isprintable()
    assert len(exc.message) < MAX_FOREIGN_TEXT + 100


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"\xff\xfe", b'{"message": 5, "errors": 7}', b'{"errors": [null]}']
)
def test_odd_error_bodies_are_survived(body):
    assert isinstance(refused(LIST, answer(422, body=body)), GitHubRefused)


@pytest.mark.parametrize(
    ("message", "blamed"),
    [
        ("'Expiration time' claim ('exp') is too far in the future", True),
        ("'Expiration time' claim ('exp') must be a numeric value representing the future time", True),
        ("'Issued at' claim ('iat') must be an Integer representing the time", True),
        ("A JSON web token could not be decoded", False),
        ("Bad credentials", False),
    ],
)
def test_three_messages_blame_our_clock(message, blamed):
    assert blames_our_clock(answer(401, message)) is blamed


@pytest.mark.parametrize(
    ("link", "url"),
    [
        (None, None),
        ("", None),
        ('<https://api/x?page=2>; rel="next", <https://api/x?page=9>; rel="last"', "https://api/x?page=2"),
        ('<https://api/x?page=1>; rel="prev", <https://api/x?page=3>; rel="next"', "https://api/x?page=3"),
        ("<https://api/x?a=1,2&page=3>;rel=next", "https://api/x?a=1,2&page=3"),
        ('<https://api/x?page=1>; rel="first"', None),
    ],
)
def test_the_next_page_is_read_from_the_link_header(link, url):
    assert next_page(link) == url


def test_what_an_older_enterprise_server_leaves_out_is_none():
    runner = decode(LIST, answer(200, body=b'{"id": 1, "name": "r1", "labels": [{"name": "x"}]}'), WireRunner).value()
    assert (runner.status, runner.busy, runner.labels) == ("unknown", False, ("x",))
    assert (runner.ephemeral, runner.version, runner.group_id) == (None, None, None)


def test_unknown_fields_and_statuses_are_accepted():
    body = {"id": 1, "name": "r1", "os": "plan9", "status": "dreaming", "busy": True, "labels": [], "new": {"a": 1}}
    runner = decode(LIST, answer(200, body=json.dumps(body).encode()), WireRunner).value()
    assert (runner.os, runner.status, runner.busy) == ("plan9", "dreaming", True)


def test_values_that_hold_secrets_do_not_show_them():
    body = {"runner": {"id": 1, "name": "r1"}, "encoded_jit_config": "c2VjcmV0"}
    jit = decode(JIT, answer(201, body=json.dumps(body).encode()), WireJitConfig).value()
    body = {
        "os": "linux",
        "architecture": "x64",
        "download_url": "u",
        "filename": "f",
        "temp_download_token": "c2VjcmV0",
        "sha256_checksum": "",
    }
    download = decode(LIST, answer(200, body=json.dumps(body).encode()), WireDownload).value()
    assert (jit.encoded, download.temp_token, download.sha256) == ("c2VjcmV0", "c2VjcmV0", None)
    assert "c2VjcmV0" not in f"{jit!r} {download!r} {answer(200, body=b'c2VjcmV0')!r}"


def test_a_release_carries_the_digests_of_its_assets():
    assets = [{"name": "a", "browser_download_url": "u", "size": 3, "digest": "sha256:ab"}]
    body = {"tag_name": "v2.336.0", "body": None, "prerelease": False, "assets": assets}
    release = decode(LIST, answer(200, body=json.dumps(body).encode()), WireRelease).value()
    assert (release.version, release.body, release.assets[0].digest) == ("2.336.0", "", "sha256:ab")


def test_an_answer_of_the_wrong_type_is_not_taken():
    with pytest.raises(GitHubUnavailable):
        decode(INSTALLATION, answer(200, body=b'{"id": "5"}'), WireInstallation)
