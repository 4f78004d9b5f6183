"""The sandbox hands jobs to runners as GitHub does, seen from a runner that speaks the protocol by hand."""

from __future__ import annotations

import base64
import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
    generate_private_key,
)

from runnerctl.sandbox import Sandbox, Settings

STEPS = [{"run": "echo hello"}]
SHORT = Settings(requeue_seconds=0.3, lease_seconds=0.5, broken_session_seconds=0.2)
Start = Callable[..., Sandbox]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A sandbox with the times that a test wants."""
    archive = tmp_path / "runner.tar.gz"
    archive.write_bytes(b"a stand-in package")
    started: list[Sandbox] = []

    def make(settings: Settings | None = None, poll_seconds: float = 10.0) -> Sandbox:
        started.append(Sandbox(archive=archive, poll_seconds=poll_seconds, settings=settings))
        started[-1].start()
        return started[-1]

    yield make
    for sandbox in started:
        sandbox.stop()


class Listener:
    """A runner's side of the protocol, one call a method."""

    def __init__(self, files: dict[str, Any], key: RSAPrivateKey) -> None:
        self.settings = {name.lower(): value for name, value in files[".runner"].items()}
        self.credentials = files[".credentials"]["Data"]
        self.key = key
        self.http = requests.Session()
        self.http.headers["User-Agent"] = "GitHubActionsRunner-linux-x64/2.336.0"
        self.session_id = ""

    @classmethod
    def of(cls, sandbox: Sandbox, name: str, labels: list[str], scope: str = "repos/o/r") -> Listener:
        """Registered by a JIT configuration, not yet connected."""
        body = {"name": name, "runner_group_id": 1, "labels": labels}
        answer = rest(sandbox, "POST", f"/{scope}/actions/runners/generate-jitconfig", body)
        blob = json.loads(base64.b64decode(answer.json()["encoded_jit_config"]))
        files = {name: json.loads(base64.b64decode(content)) for name, content in blob.items()}
        return cls(files, private_key(files[".credentials_rsaparams"]))

    @property
    def id(self) -> int:
        return int(self.settings["agentid"])

    def sign_in(self, **claims: Any) -> requests.Response:
        url, now = self.credentials["AuthorizationUrl"], int(time.time())
        client = self.credentials["ClientId"]
        mine = {"iss": client, "sub": client, "aud": url, "iat": now, "nbf": now, "exp": now + 300}
        assertion = jwt.encode({**mine, "jti": str(uuid.uuid4()), **claims}, self.key, "RS256")
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        form = {"grant_type": "client_credentials", "client_assertion_type": kind, "client_assertion": assertion}
        answer = self.http.post(url, data=form, timeout=10)
        if answer.ok:
            self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer

    def connect(self) -> Listener:
        assert self.sign_in().ok
        answer = self.open_session()
        assert answer.status_code == 200, answer.text
        self.session_id = answer.json()["sessionId"]
        return self

    def open_session(self) -> requests.Response:
        agent = {"id": self.id, "name": self.settings["agentname"], "version": "2.336.0", "osDescription": "Linux"}
        body = {"sessionId": str(uuid.UUID(int=0)), "ownerName": "host", "agent": agent}
        return self.http.post(self.broker("session"), json=body, timeout=10)

    def close_session(self) -> requests.Response:
        return self.http.delete(self.broker("session"), params={"sessionId": self.session_id}, timeout=10)

    def poll(self, version: str = "2.336.0") -> requests.Response:
        query = {"sessionId": self.session_id, "status": "Online", "runnerVersion": version, "os": "Linux"}
        return self.http.get(self.broker("message"), params=query, timeout=30)

    def acknowledge(self, request_id: str) -> requests.Response:
        body = {"runnerRequestId": request_id}
        return self.http.post(self.broker("acknowledge"), params={"sessionId": self.session_id}, json=body, timeout=10)

    def run_service(self, call: str, **body: Any) -> requests.Response:
        url = self.broker("").removesuffix("broker/") + f"run/{call}"
        return self.http.post(url, json=body, timeout=10)

    def take(self) -> dict[str, Any]:
        """Waits for a job, acknowledges and acquires it."""
        request_id = request_of(self.poll())
        assert self.acknowledge(request_id).ok
        answer = self.run_service("acquirejob", jobMessageId=request_id, runnerOS="Linux")
        assert answer.ok, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def complete(self, job: dict[str, Any], conclusion: str = "succeeded") -> requests.Response:
        return self.run_service("completejob", jobId=job["jobId"], conclusion=conclusion)

    def broker(self, call: str) -> str:
        return f"{self.settings['serverurlv2']}{call}"


def private_key(parameters: dict[str, str]) -> RSAPrivateKey:
    return key_from(tuple(sorted(parameters.items())))


@lru_cache  # checking a key takes longer than all else here
def key_from(parameters: tuple[tuple[str, str], ...]) -> RSAPrivateKey:
    numbers = {name: int.from_bytes(base64.b64decode(value), "big") for name, value in parameters}
    public = RSAPublicNumbers(numbers["exponent"], numbers["modulus"])
    return RSAPrivateNumbers(
        p=numbers["p"],
        q=numbers["q"],
        d=numbers["d"],
        dmp1=numbers["dp"],
        dmq1=numbers["dq"],
        iqmp=numbers["inverseQ"],
        public_numbers=public,
    ).private_key()


def request_of(answer: requests.Response) -> str:
    message = answer.json()
    assert message["messageType"] == "RunnerJobRequest"
    return str(json.loads(message["body"])["runner_request_id"])


def rest(sandbox: Sandbox, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {sandbox.pat}"}
    return requests.request(method, sandbox.api_url + path, json=body, headers=headers, timeout=10)


def test_a_runner_shows_what_it_is_once_it_has_connected(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["linux"])
    before = rest(sandbox, "GET", f"/repos/o/r/actions/runners/{listener.id}").json()
    assert (before["os"], before["status"], before["busy"], before["version"]) == ("unknown", "offline", False, None)
    listener.connect()
    after = rest(sandbox, "GET", f"/repos/o/r/actions/runners/{listener.id}").json()
    assert (after["os"], after["status"], after["version"]) == ("Linux", "online", "2.336.0")
    listener.close_session()
    assert sandbox.wait_runner("r1", "offline", timeout=2).version == "2.336.0"


def test_a_job_runs_from_start_to_end_and_takes_its_ephemeral_runner_with_it(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["linux", "r1"]).connect()
    job_id = sandbox.submit_job("o/r", "r1", STEPS, env={"A": "1"}, files={"Makefile": "all:"}, workflow="Build")
    job = listener.take()
    assert (job["repository"], job["steps"], job["env"], job["files"]) == (
        "o/r",
        STEPS,
        {"A": "1"},
        {"Makefile": "all:"},
    )
    assert job["token"].startswith("ghs_")
    assert rest(sandbox, "GET", f"/repos/o/r/actions/runners/{listener.id}").json()["busy"]
    assert rest(sandbox, "GET", f"/repos/o/r/actions/jobs/{job_id}").json()["runner_name"] == "r1"
    assert sandbox.wait_job_started(job_id, timeout=2).status == "in_progress"
    assert listener.run_service("renewjob", jobId=job["jobId"], planId=job["planId"]).json()["lockedUntil"]
    assert listener.run_service("joblog", jobId=job["jobId"], lines=["hello", "world"]).ok
    assert listener.complete(job).status_code == 204
    done = sandbox.wait_job(job_id, timeout=2)
    assert (done.status, done.conclusion, done.runner_name, done.lines) == (
        "completed",
        "success",
        "r1",
        ("hello", "world"),
    )
    assert sandbox.runners() == []
    assert listener.sign_in().json() == {"error": "invalid_client"}
    assert listener.close_session().status_code == 204


@pytest.mark.parametrize(("reported", "shown"), [("failed", "failure"), ("canceled", "cancelled")])
def test_conclusions_are_told_in_githubs_words(start, reported, shown):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    job_id = sandbox.submit_job("o/r", "x", STEPS)
    listener.complete(listener.take(), reported)
    assert sandbox.job(job_id).conclusion == shown
    assert rest(sandbox, "GET", f"/repos/o/r/actions/jobs/{job_id}").json()["conclusion"] == shown


@pytest.mark.parametrize(
    ("scope", "labels", "runs_on", "fits"),
    [
        ("repos/o/r", ["Self-Hosted", "GPU"], ["self-hosted", "gpu"], True),
        ("repos/o/r", ["self-hosted"], ["self-hosted", "gpu"], False),
        ("repos/o/r", ["self-hosted"], "the-name", False),
        ("orgs/O", ["self-hosted"], ["self-hosted"], True),
        ("repos/o/other", ["self-hosted"], ["self-hosted"], False),
        ("orgs/p", ["self-hosted"], ["self-hosted"], False),
    ],
)
def test_jobs_go_by_labels_and_scope_but_never_by_name(start, scope, labels, runs_on, fits):
    sandbox = start(poll_seconds=0.1)
    listener = Listener.of(sandbox, "the-name", labels, scope).connect()
    job_id = sandbox.submit_job("o/r", runs_on, STEPS)
    assert listener.poll().status_code == (200 if fits else 202)
    assert sandbox.job(job_id).assignments == int(fits)


def test_a_label_added_later_lets_a_waiting_job_run(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["linux"]).connect()
    sandbox.submit_job("o/r", ["linux", "gpu"], STEPS)
    rest(sandbox, "POST", f"/repos/o/r/actions/runners/{listener.id}/labels", {"labels": ["GPU"]})
    assert listener.take()["jobDisplayName"] == "build"


def test_a_poll_ends_as_soon_as_there_is_a_job(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(listener.poll)
        sandbox.submit_job("o/r", "x", STEPS)
        assert polling.result(timeout=5).status_code == 200


def test_an_ephemeral_runner_gets_one_job_only(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    first, second = sandbox.submit_job("o/r", "x", STEPS), sandbox.submit_job("o/r", "x", STEPS)
    job = listener.take()
    listener.complete(job)
    assert sandbox.job(first).status == "completed"
    gone = listener.poll()
    assert (gone.status_code, gone.json()["errorKind"]) == (404, "RunnerNotFound")
    assert sandbox.job(second).status == "queued"
    other = Listener.of(sandbox, "r2", ["x"]).connect()
    assert other.take()["jobId"] == str(second)


def test_a_busy_runner_cannot_be_deleted(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    sandbox.submit_job("o/r", "x", STEPS)
    job = listener.take()
    answer = rest(sandbox, "DELETE", f"/repos/o/r/actions/runners/{listener.id}")
    assert (answer.status_code, answer.json()["message"]) == (
        422,
        'Bad request - Runner "r1" is still running a job"',
    )
    assert listener.complete(job).ok


def test_a_lie_about_idleness_deletes_the_registration_but_not_the_job(start):
    sandbox = start(poll_seconds=0.1)
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    job_id = sandbox.submit_job("o/r", "x", STEPS)
    job = listener.take()
    sandbox.idle_lie = True
    assert not rest(sandbox, "GET", f"/repos/o/r/actions/runners/{listener.id}").json()["busy"]
    assert rest(sandbox, "DELETE", f"/repos/o/r/actions/runners/{listener.id}").status_code == 204
    assert listener.poll().status_code == 202
    assert listener.complete(job).ok
    assert sandbox.job(job_id).conclusion == "success"
    assert listener.poll().json()["errorKind"] == "RunnerNotFound"


def test_a_job_can_be_handed_over_in_the_moment_of_a_deletion(start):
    sandbox = start()
    sandbox.dispatch_on_delete = True
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    job_id = sandbox.submit_job("o/r", "x", STEPS)
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(listener.take)
        assert rest(sandbox, "DELETE", f"/repos/o/r/actions/runners/{listener.id}").status_code == 204
        job = taking.result(timeout=5)
    assert sandbox.runners() == []
    assert listener.complete(job).ok
    assert sandbox.job(job_id).conclusion == "success"
    assert listener.poll().json()["errorKind"] == "RunnerNotFound"


def test_a_poll_ends_at_once_when_the_runner_is_deleted(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(listener.poll)
        assert sandbox.delete_runner(listener.id)
        assert polling.result(timeout=5).json()["errorKind"] == "RunnerNotFound"


def test_a_job_that_nobody_acknowledges_is_queued_again(start):
    sandbox = start(SHORT)
    deaf = Listener.of(sandbox, "deaf", ["x"]).connect()
    job_id = sandbox.submit_job("o/r", "x", STEPS)
    request_id = request_of(deaf.poll())
    deaf.close_session()
    other = Listener.of(sandbox, "other", ["x"]).connect()
    assert other.take()["jobId"] == str(job_id)
    assert sandbox.job(job_id).assignments == 2
    assert deaf.acknowledge(request_id).status_code == 404
    assert deaf.run_service("acquirejob", jobMessageId=request_id).status_code == 404


def test_an_unacknowledged_job_comes_back_to_the_only_runner_after_a_while(start):
    sandbox = start(SHORT)
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    sandbox.submit_job("o/r", "x", STEPS)
    first = request_of(listener.poll())
    assert request_of(listener.poll()) != first


def test_a_job_whose_runner_fell_silent_has_failed(start):
    sandbox = start(SHORT)
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    job_id = sandbox.submit_job("o/r", "x", STEPS)
    job = listener.take()
    lost = sandbox.wait_job(job_id, timeout=5)
    assert lost.conclusion == "failure"
    assert "lost communication" in lost.lines[-1]
    assert listener.complete(job).status_code == 404
    assert sandbox.runners() == []


def test_setting_the_clock_ends_no_job_and_no_session(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    job_id = sandbox.submit_job("o/r", "x", STEPS)
    job = listener.take()
    sandbox.clock_offset = 7200
    assert listener.run_service("renewjob", jobId=job["jobId"]).ok
    with pytest.raises(TimeoutError):
        sandbox.wait_job(job_id, timeout=0.3)
    assert listener.complete(job).ok
    assert sandbox.job(job_id).conclusion == "success"


def test_a_job_cannot_be_acquired_twice(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    sandbox.submit_job("o/r", "x", STEPS)
    request_id = request_of(listener.poll())
    assert listener.run_service("acquirejob", jobMessageId=request_id).ok
    assert listener.run_service("acquirejob", jobMessageId=request_id).status_code == 409


def test_another_runner_cannot_meddle_with_a_job(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    stranger = Listener.of(sandbox, "r2", ["y"]).connect()
    job_id = sandbox.submit_job("o/r", "x", STEPS)
    job = listener.take()
    assert stranger.complete(job).status_code == 404
    assert stranger.run_service("joblog", jobId=job["jobId"], lines=["forged"]).status_code == 404
    assert sandbox.job(job_id).lines == ()


def test_cancelling_asks_a_running_job_and_ends_a_queued_one(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    running, queued = sandbox.submit_job("o/r", "x", STEPS), sandbox.submit_job("o/r", "x", STEPS)
    job = listener.take()
    sandbox.cancel_job(queued)
    assert sandbox.job(queued).conclusion == "cancelled"
    sandbox.cancel_job(running)
    message = listener.poll().json()
    assert (message["messageType"], json.loads(message["body"])) == ("JobCancellation", {"jobId": job["jobId"]})
    assert sandbox.job(running).status == "in_progress"
    listener.complete(job, "canceled")
    assert sandbox.job(running).conclusion == "cancelled"


def test_a_second_session_is_a_conflict_until_the_first_is_closed(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    assert listener.open_session().status_code == 409
    listener.close_session()
    assert listener.open_session().status_code == 200


def test_a_runner_that_vanishes_in_mid_poll_goes_offline_and_frees_its_session(start):
    sandbox = start(SHORT)
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    with open_poll(sandbox, listener):
        assert sandbox.wait_runner("r1", timeout=2)
    sandbox.wait_runner("r1", "offline", timeout=5)
    assert listener.open_session().status_code == 200


def open_poll(sandbox: Sandbox, listener: Listener) -> socket.socket:
    """A connection on which the sandbox holds a poll."""
    address = urlsplit(sandbox.server_url)
    raw = socket.create_connection((address.hostname, address.port), timeout=10)
    query = f"sessionId={listener.session_id}"
    head = f"Host: x\r\nAuthorization: {listener.http.headers['Authorization']!s}"
    raw.sendall(f"GET /sandbox/broker/message?{query} HTTP/1.1\r\n{head}\r\n\r\n".encode())
    for _ in range(2):  # what comes later is answered later: by now the poll has arrived
        rest(sandbox, "GET", "/meta")
    return raw


def test_a_runner_that_is_too_old_gets_no_messages(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    answer = listener.poll(version="2.328.9")
    assert (answer.status_code, answer.json()["errorKind"]) == (400, "RunnerVersionTooOld")


def test_an_unknown_session_is_invalid(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    listener.session_id = str(uuid.uuid4())
    assert listener.poll().json()["errorKind"] == "RunnerSessionInvalid"


@pytest.mark.parametrize("claims", [{"aud": "http://elsewhere.test"}, {"exp": 1}, {"iss": "me"}])
def test_an_assertion_for_another_place_or_time_is_refused(start, claims):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"])
    assert listener.sign_in(**claims).status_code == 400


def test_an_assertion_signed_with_another_key_is_refused(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"])
    listener.key = generate_private_key(public_exponent=65537, key_size=2048)
    assert listener.sign_in().json() == {"error": "invalid_client"}


def test_stopping_the_sandbox_ends_long_polls_at_once(start):
    sandbox = start(poll_seconds=60)
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    with open_poll(sandbox, listener) as raw:
        sandbox.stop()
        assert raw.recv(12) == b"HTTP/1.1 202"


def test_a_sandbox_that_comes_back_still_knows_its_runners(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    sandbox.stop()
    with pytest.raises(requests.ConnectionError):
        listener.poll()
    sandbox.start()
    assert sandbox.submit_job("o/r", "x", STEPS)
    assert listener.take()["repository"] == "o/r"


class Configured:
    """What config.sh does with a registration token."""

    def __init__(self, sandbox: Sandbox, scope: str, key: RSAPrivateKey) -> None:
        self.sandbox = sandbox
        self.scope = scope
        self.url = f"{sandbox.server_url}/{scope.partition('/')[2]}"
        self.key = key

    def exchange(self, event: str, token_kind: str) -> requests.Response:
        made = rest(self.sandbox, "POST", f"/{self.scope}/actions/runners/{token_kind}-token").json()
        return requests.post(
            f"{self.sandbox.api_url}/actions/runner-registration",
            json={"url": self.url, "runner_event": event},
            headers={"Authorization": f"RemoteAuth {made['token']}"},
            timeout=10,
        )

    def register(self, admin: str, **fields: Any) -> requests.Response:
        numbers = self.key.public_key().public_numbers()
        modulus, exponent = (
            base64.b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()
            for number in (numbers.n, numbers.e)
        )
        key = f"<RSAKeyValue><Modulus>{modulus}</Modulus><Exponent>{exponent}</Exponent></RSAKeyValue>"
        body = {"url": self.url, "group_id": 1, "name": "p1", "version": "2.336.0", "updates_disabled": True}
        return requests.post(
            f"{self.sandbox.api_url}/actions/runners/register",
            json={**body, "ephemeral": False, "labels": ["self-hosted"], "public_key": key, **fields},
            headers={"Authorization": f"Bearer {admin}"},
            timeout=10,
        )


@pytest.fixture(scope="module")
def own_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize("scope", ["repos/o/r", "orgs/o"])
def test_config_sh_registers_a_runner_that_stays_after_its_jobs(start, own_key, scope):
    sandbox = start()
    configured = Configured(sandbox, scope, own_key)
    exchanged = configured.exchange("register", "registration").json()
    assert (exchanged["token_schema"], exchanged["use_v2_flow"]) == ("OAuthAccessToken", True)
    admin = {"Authorization": f"Bearer {exchanged['token']}"}
    groups = requests.get(f"{sandbox.api_url}/{scope}/actions/runner-groups", headers=admin, timeout=10).json()
    assert groups["runner_groups"][0]["default"] is True
    found = requests.get(f"{sandbox.api_url}/{scope}/actions/runners?name=p1", headers=admin, timeout=10).json()
    assert found["total_count"] == 0
    made = configured.register(exchanged["token"]).json()
    assert configured.register(exchanged["token"]).status_code == 409
    assert configured.register(exchanged["token"], replace=True, labels=["new"]).json()["id"] == made["id"]
    assert sandbox.runners()[0].labels == ("new",)

    authorization = made["authorization"]
    listener = Listener(
        {
            ".runner": {"agentId": made["id"], "agentName": "p1", "serverUrlV2": authorization["server_url"]},
            ".credentials": {
                "Data": {"ClientId": authorization["client_id"], "AuthorizationUrl": authorization["authorization_url"]}
            },
        },
        own_key,
    ).connect()
    for _ in range(2):
        sandbox.submit_job("o/r", "new", STEPS)
        assert listener.complete(listener.take()).ok
    assert sandbox.wait_runner("p1", timeout=2).busy is False

    removing = configured.exchange("remove", "remove").json()["token"]
    headers = {"Authorization": f"Bearer {removing}"}
    gone = requests.delete(f"{sandbox.api_url}/{scope}/actions/runners/{made['id']}", headers=headers, timeout=10)
    assert gone.status_code == 204


def test_a_registration_token_is_good_for_its_own_scope_and_event_only(start, own_key):
    sandbox = start()
    configured = Configured(sandbox, "repos/o/r", own_key)
    assert configured.exchange("remove", "registration").status_code == 404
    assert configured.exchange("register", "remove").status_code == 404
    admin = configured.exchange("register", "registration").json()["token"]
    configured.url = f"{sandbox.server_url}/o/other"
    assert configured.exchange("register", "registration").status_code == 404
    assert configured.register(admin).status_code == 404
    headers = {"Authorization": f"Bearer {admin}"}
    other = requests.get(f"{sandbox.api_url}/repos/o/other/actions/runners", headers=headers, timeout=10)
    assert other.status_code == 404


def test_waiting_in_vain_says_how_far_it_came(start):
    sandbox = start()
    job_id = sandbox.submit_job("o/r", "nowhere", STEPS)
    with pytest.raises(TimeoutError, match=r"status='queued'.* after 0\.05 s"):
        sandbox.wait_job(job_id, timeout=0.05)
    with pytest.raises(TimeoutError, match="Runner 'nobody' is not online"):
        sandbox.wait_runner("nobody", timeout=0.05)
    sandbox.add_runner("o/r", "foreign")
    with pytest.raises(TimeoutError, match="still registered"):
        sandbox.wait_runner_gone("foreign", timeout=0.05)
