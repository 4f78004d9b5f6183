"""The sandbox hands jobs to runners as GitHub does, seen from a runner that speaks the protocol by hand."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from runnerctl.sandbox import Sandbox, Settings
from tests.support.sandboxes.configuring import persistent
from tests.support.sandboxes.listener import Listener, request_of, rest

STEPS = [{"run": "echo hello"}]
SHORT = Settings(requeue_seconds=0.3, lease_seconds=0.5, broken_session_seconds=0.2)
Start = Callable[..., Sandbox]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A sandbox with the times that a test wants."""
    archive = tmp_path / "runner.tar.gz"
    archive.write_bytes(b"a stand-in package")
    started: list[Sandbox] = []

    def make(settings: Settings | None = None, poll_seconds: float = 10.0, strict: bool = True) -> Sandbox:
        started.append(Sandbox(archive=archive, poll_seconds=poll_seconds, settings=settings, strict=strict))
        started[-1].start()
        return started[-1]

    yield make
    for sandbox in started:
        sandbox.stop()
        assert sandbox.violations == []


def test_a_runner_shows_what_it_is_once_it_has_connected(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["linux"])
    before = rest(sandbox, "GET", f"/repos/o/r/actions/runners/{listener.id}").json()
    assert (before["os"], before["status"], before["busy"], before["version"]) == ("unknown", "offline", False, None)
    listener.connect()
    after = rest(sandbox, "GET", f"/repos/o/r/actions/runners/{listener.id}").json()
    assert (after["os"], after["status"], after["version"]) == ("Linux", "online", "2.336.0")
    listener.close_session()
    assert sandbox.wait_runner("r1", "offline", timeout=20).version == "2.336.0"


def guid(job_id: int) -> str:
    """A job's id as runners have it."""
    return f"00abcdef-0000-0000-0000-{job_id:012x}"


def test_a_job_runs_from_start_to_end_and_takes_its_ephemeral_runner_with_it(start):
    sandbox = start(poll_seconds=0.1)
    listener = Listener.of(sandbox, "r1", ["linux", "r1"]).connect()
    job_id = sandbox.submit_job("o/r", "r1", STEPS, workflow="Build")
    job = listener.take()
    assert rest(sandbox, "GET", f"/repos/o/r/actions/runners/{listener.id}").json()["busy"]
    assert rest(sandbox, "GET", f"/repos/o/r/actions/jobs/{job_id}").json()["runner_name"] == "r1"
    assert sandbox.wait_job_started(job_id, timeout=20).status == "in_progress"
    assert job.renew().json()["lockedUntil"]
    assert job.complete().status_code == 204
    done = sandbox.wait_job(job_id, timeout=20)
    assert (done.status, done.conclusion, done.runner_name) == ("completed", "success", "r1")
    assert sandbox.runners() == []
    assert listener.sign_in().json() == {"error": "invalid_client"}


def test_the_session_of_an_ephemeral_runner_lasts_until_the_runner_ends_it(start):
    sandbox = start(poll_seconds=0.1)
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    sandbox.submit_job("o/r", "x", STEPS)
    listener.take().complete()
    assert [listener.poll(status=status).status_code for status in ("Busy", "Online")] == [202, 202]
    assert listener.close_session().status_code == 204
    assert listener.poll().json()["errorKind"] == "RunnerSessionInvalid"


@pytest.mark.parametrize(("reported", "shown"), [("failed", "failure"), ("canceled", "cancelled")])
def test_conclusions_are_told_in_githubs_words(start, reported, shown):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    job_id = sandbox.submit_job("o/r", "x", STEPS)
    listener.take().complete(reported)
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
    assert listener.take().message["jobDisplayName"] == "build"


def test_a_poll_ends_as_soon_as_there_is_a_job(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(listener.poll)
        sandbox.submit_job("o/r", "x", STEPS)
        assert polling.result(timeout=20).status_code == 200


def test_an_ephemeral_runner_gets_one_job_only(start):
    sandbox = start(poll_seconds=0.1)
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    first, second = sandbox.submit_job("o/r", "x", STEPS), sandbox.submit_job("o/r", "x", STEPS)
    listener.take().complete()
    assert sandbox.job(first).status == "completed"
    assert listener.poll().status_code == 202
    assert sandbox.job(second).status == "queued"
    other = Listener.of(sandbox, "r2", ["x"]).connect()
    assert other.take().message["jobId"] == guid(second)


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
    assert job.complete().ok


def test_a_lie_about_idleness_deletes_the_registration_but_not_the_job(start):
    sandbox = start(poll_seconds=0.1)
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    job_id = sandbox.submit_job("o/r", "x", STEPS)
    job = listener.take()
    sandbox.idle_lie = True
    assert not rest(sandbox, "GET", f"/repos/o/r/actions/runners/{listener.id}").json()["busy"]
    assert rest(sandbox, "DELETE", f"/repos/o/r/actions/runners/{listener.id}").status_code == 204
    assert listener.poll(status="Busy").status_code == 202
    assert job.complete().ok
    assert sandbox.job(job_id).conclusion == "success"
    assert listener.poll().status_code == 202


def test_a_job_can_be_handed_over_in_the_moment_of_a_deletion(start):
    sandbox = start()
    sandbox.dispatch_on_delete = True
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    job_id = sandbox.submit_job("o/r", "x", STEPS)
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(listener.take)
        assert rest(sandbox, "DELETE", f"/repos/o/r/actions/runners/{listener.id}").status_code == 204
        job = taking.result(timeout=20)
    assert sandbox.runners() == []
    assert job.complete().ok
    assert sandbox.job(job_id).conclusion == "success"


def test_a_poll_ends_at_once_when_the_runner_is_deleted(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(listener.poll)
        assert sandbox.delete_runner(listener.id)
        assert polling.result(timeout=20).json()["errorKind"] == "RunnerNotFound"


def test_a_job_that_nobody_acknowledges_is_queued_again(start):
    sandbox = start(SHORT)
    deaf = Listener.of(sandbox, "deaf", ["x"]).connect()
    job_id = sandbox.submit_job("o/r", "x", STEPS)
    request_id = request_of(deaf.poll())
    deaf.close_session()
    other = Listener.of(sandbox, "other", ["x"]).connect()
    assert other.take().message["jobId"] == guid(job_id)
    assert sandbox.job(job_id).assignments == 2
    assert deaf.acknowledge(request_id).status_code == 404
    assert deaf.acquire(request_id).status_code == 404


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
    lost = sandbox.wait_job(job_id, timeout=20)
    assert lost.conclusion == "failure"
    assert "lost communication" in lost.lines[-1]
    assert job.complete().status_code == 404
    assert sandbox.runners() == []


def test_setting_the_clock_ends_no_job_and_no_session(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    job_id = sandbox.submit_job("o/r", "x", STEPS)
    job = listener.take()
    sandbox.clock_offset = 7200
    assert job.renew().ok
    with pytest.raises(TimeoutError):
        sandbox.wait_job(job_id, timeout=0.3)
    assert job.complete().ok
    assert sandbox.job(job_id).conclusion == "success"


def test_a_job_cannot_be_acquired_twice(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    sandbox.submit_job("o/r", "x", STEPS)
    request_id = request_of(listener.poll())
    assert listener.acquire(request_id).ok
    assert listener.acquire(request_id).status_code == 409


def test_another_runner_cannot_meddle_with_a_job(start):
    sandbox = start()
    jobs = [sandbox.submit_job("o/r", label, STEPS) for label in ("x", "y")]
    mine, others = (Listener.of(sandbox, label, [label]).connect().take() for label in ("x", "y"))
    others.ids = mine.ids
    assert others.complete().status_code == 404
    assert others.renew().status_code == 404
    assert others.receive("GetJobLogsSignedBlobURL").status_code == 404
    assert others.resolve("actions/checkout@v4").status_code == 404
    assert [sandbox.job(job_id).status for job_id in jobs] == ["in_progress", "in_progress"]


def test_a_job_that_is_over_takes_no_more_calls(start):
    sandbox = start()
    sandbox.submit_job("o/r", "x", STEPS)
    job = Listener.of(sandbox, "r1", ["x"]).connect().take()
    job.complete()
    for late in (job.complete(), job.renew()):
        assert (late.status_code, late.json()["source"]) == (404, "actions-run-service")
    assert job.receive("GetJobLogsSignedBlobURL").status_code == 404


def test_a_busy_runner_is_told_of_a_cancellation_but_of_no_other_job(start):
    sandbox = start(poll_seconds=0.1)
    listener = persistent(sandbox)
    first = sandbox.submit_job("o/r", "x", STEPS)
    job = listener.take()
    job.complete()
    sandbox.submit_job("o/r", "x", STEPS)
    assert sandbox.job(first).status == "completed"
    assert listener.poll(status="Busy").status_code == 202
    sandbox.cancel_job(2)
    assert listener.poll(status="Busy").status_code == 202
    sandbox.submit_job("o/r", "x", STEPS)
    assert listener.take().message["jobId"] == guid(3)


@pytest.mark.parametrize(("fips", "algorithm", "other"), [(True, "PS256", "RS256"), (False, "RS256", "PS256")])
def test_a_runner_signs_as_its_credentials_say(start, fips, algorithm, other):
    sandbox = start(strict=False)
    sandbox.require_fips = fips
    listener = Listener.of(sandbox, "r1", ["x"])
    assert listener.algorithm == algorithm
    assert listener.sign_in(algorithm=other).json() == {"error": "invalid_client"}
    assert listener.sign_in().ok


def test_a_job_need_not_be_acknowledged_where_nobody_asks_for_it(start):
    sandbox = start()
    sandbox.should_acknowledge = False
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    sandbox.submit_job("o/r", "x", STEPS)
    message = listener.poll()
    assert json.loads(message.json()["body"])["should_acknowledge"] is False
    assert listener.acquire(request_of(message)).ok


def test_cancelling_asks_a_running_job_and_ends_a_queued_one(start):
    sandbox = start()
    listener = Listener.of(sandbox, "r1", ["x"]).connect()
    running, queued = sandbox.submit_job("o/r", "x", STEPS), sandbox.submit_job("o/r", "x", STEPS)
    job = listener.take()
    sandbox.cancel_job(queued)
    assert sandbox.job(queued).conclusion == "cancelled"
    sandbox.cancel_job(running)
    message = listener.poll(status="Busy").json()
    body = {"jobId": job.ids["jobId"], "timeout": "00:05:00"}
    assert (message["messageType"], json.loads(message["body"])) == ("JobCancellation", body)
    assert sandbox.job(running).status == "in_progress"
    job.complete("canceled")
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
        assert sandbox.wait_runner("r1", timeout=20)
    sandbox.wait_runner("r1", "offline", timeout=20)
    assert listener.open_session().status_code == 200


def open_poll(sandbox: Sandbox, listener: Listener) -> socket.socket:
    """A connection on which the sandbox holds a poll."""
    address = urlsplit(sandbox.server_url)
    raw = socket.create_connection((address.hostname, address.port), timeout=10)
    query = urlencode(listener.poll_query())
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


@pytest.mark.parametrize(
    "claims", [{"aud": "http://elsewhere.test"}, {"nbf": 1, "exp": 301}, {"iss": "me", "sub": "me"}]
)
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
    assert listener.take().renew().ok


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
