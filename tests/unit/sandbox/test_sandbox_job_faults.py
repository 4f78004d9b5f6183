"""The services of a job misbehave as they are told."""

from __future__ import annotations

import pytest
import requests

from runnerctl.sandbox import Fault, Sandbox
from tests.support.sandboxes.listener import Listener, TakenJob
from tests.support.sandboxes.websocket import WebSocket

pytest_plugins = ("tests.support.sandboxes.sandboxes",)


@pytest.fixture
def job(strict: Sandbox) -> TakenJob:
    strict.submit_job("o/r", "x", [{"uses": "actions/checkout@v4"}], files={"a": "b" * 1000})
    return Listener.of(strict, "r1", ["x"]).connect().take()


@pytest.mark.parametrize("match", ["GetJobLogsSignedBlobURL", "/sandbox/results/twirp"])
def test_the_results_can_be_out_of_order_for_a_while(strict, job, match):
    strict.add_fault(Fault(match, status=503))
    assert [job.receive("GetJobLogsSignedBlobURL").status_code for _ in range(2)] == [503, 200]


def test_an_upload_can_be_refused(strict, job):
    url = job.receive("GetJobLogsSignedBlobURL").json()["logs_url"]
    strict.add_fault(Fault("PUT /sandbox/blob", status=500))
    headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "text/plain"}
    assert [requests.put(url, data=b"x", headers=headers, timeout=10).status_code for _ in range(2)] == [500, 201]


def test_a_job_can_be_completed_without_its_runner_hearing_of_it(strict, job):
    strict.add_fault(Fault("completejob", lost_answer=True))
    with pytest.raises(requests.ConnectionError):
        job.complete()
    assert strict.job(1).conclusion == "success"
    assert job.complete().status_code == 404


def test_a_lease_can_be_lost_at_the_first_renewal(strict, job):
    strict.add_fault(Fault("renewjob", status=404))
    assert [job.renew().status_code for _ in range(2)] == [404, 200]


def test_the_feed_can_be_shut(strict, job):
    strict.add_fault(Fault("/sandbox/feed", status=503))
    with pytest.raises(ConnectionError, match="503"):
        WebSocket.connect(job.connection["FeedStreamUrl"], {"Authorization": f"Bearer {job.token}"})


def test_the_download_of_an_action_can_break_off(strict, job):
    found = job.resolve("actions/checkout@v4").json()["actions"]["actions/checkout@v4"]
    strict.add_fault(Fault("/sandbox/action/", cut_after=10))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(found["tar_url"], auth=("x-access-token", job.github_token), timeout=10)
    assert requests.get(found["tar_url"], auth=("x-access-token", job.github_token), timeout=10).ok
