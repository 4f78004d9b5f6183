"""What a job tells while it runs and at its end, and where a person finds it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import jwt
import pytest
import requests

from runnerctl.sandbox import Sandbox
from tests.support.sandboxes.listener import Listener, TakenJob, rest
from tests.support.sandboxes.websocket import WebSocket

pytest_plugins = ("tests.support.sandboxes.sandboxes",)

STEPS = [{"run": "echo hello"}]
STAMP = "2026-11-30T12:06:42.8184965Z "
BOM = "\ufeff"
SET_UP, BUILD = str(uuid.uuid4()), str(uuid.uuid4())


@pytest.fixture
def job(strict: Sandbox) -> TakenJob:
    """In its runner's hands; the sandbox knows it as number 1."""
    strict.submit_job("o/r", "x", STEPS)
    return Listener.of(strict, "r1", ["x"]).connect().take()


def log(*lines: str) -> str:
    """As the real runner uploads it."""
    return BOM + "".join(f"{STAMP}{line}\n" for line in lines)


def update(step: str, number: int, name: str, status: int, conclusion: int = 0) -> dict[str, Any]:
    times = {"started_at": "2026-11-30T12:06:42.817Z", "completed_at": None}
    return {"external_id": step, "number": number, "name": name, "status": status, "conclusion": conclusion, **times}


def result(step: str, number: int, name: str, conclusion: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    times = {"started_at": "2026-11-30T12:06:42.8173084Z", "completed_at": "2026-11-30T12:06:43.0081392Z"}
    told = {"external_id": step, "number": number, "name": name, "status": "completed", "conclusion": conclusion}
    return {**told, **times, "annotations": list(annotations)}


def feed(job: TakenJob) -> WebSocket:
    return WebSocket.connect(job.connection["FeedStreamUrl"], {"Authorization": f"Bearer {job.token}"})


@contextmanager
def closing_abruptly(live: WebSocket) -> Iterator[WebSocket]:
    try:
        yield live
    finally:
        live.abort()


def control(sandbox: Sandbox, path: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {sandbox.pat}"}
    return requests.get(f"{sandbox.control_url}/{path}", headers=headers, timeout=10)


def lines_once(sandbox: Sandbox, count: int) -> tuple[str, ...]:
    """The job's lines as soon as there are so many."""
    deadline = time.monotonic() + 10
    while len(sandbox.job(1).lines) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    return sandbox.job(1).lines


def test_what_a_job_prints_is_seen_while_it_runs(strict, job):
    with closing(feed(job)) as live:
        for start, step in ((1, SET_UP), (1, BUILD)):
            lines = [f"{step} {'x' * 900}", "second"]
            live.send(json.dumps({"value": lines, "stepId": step, "startLine": start, "count": 2}).encode())
        assert [line[:40].split()[0] for line in lines_once(strict, 4)] == [SET_UP, "second", BUILD, "second"]
    job.update_steps(update(SET_UP, 1, "Set up job", 6, 2), update(BUILD, 2, "Build", 3))
    assert [len(step.lines) for step in strict.job(1).steps] == [2, 2]


def test_the_uploaded_log_takes_the_place_of_the_live_one(strict, job):
    with closing(feed(job)) as live:
        live.send(json.dumps({"value": ["lossy"], "stepId": BUILD, "startLine": 1, "count": 1}).encode())
        assert lines_once(strict, 1) == ("lossy",)
    job.upload_log(log("Set up", "the whole"))
    assert strict.job(1).lines == ("Set up", "the whole")
    job.upload_log(log("the whole"), step=BUILD)
    job.update_steps(update(BUILD, 2, "Build", 6, 2))
    assert strict.job(1).steps[0].lines == ("the whole",)


def test_a_line_is_what_ends_in_a_line_feed(strict, job):
    job.upload_log(log("a\x0cb\u2028c", "", "d\re") + "no stamp")
    assert strict.job(1).lines == ("a\x0cb\u2028c", "", "d\re", "no stamp")


def test_a_log_that_comes_in_blocks_is_one_log(strict, job):
    url = job.receive("GetJobLogsSignedBlobURL").json()["logs_url"]
    blocks = [("one", "False", ""), ("two", "True", "&seal=true")]
    for text, sealed, more in blocks:
        headers = {"x-ms-blob-sealed": sealed}
        answer = requests.put(f"{url}&comp=appendblock{more}", data=log(text).encode(), headers=headers, timeout=10)
        assert answer.status_code == 201
    late = requests.put(f"{url}&comp=appendblock", data=b"x", headers={"x-ms-blob-sealed": "False"}, timeout=10)
    assert late.status_code == 409
    job.receive("CreateJobLogsMetadata", uploaded_at="2026-11-30T12:06:43.802Z", line_count=2)
    assert strict.job(1).lines == ("one", "two")


def test_nobody_uploads_without_the_address_that_was_given(strict, job):
    url = job.receive("GetJobLogsSignedBlobURL").json()["logs_url"]
    headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "text/plain"}
    for forged in (url.rpartition("=")[0] + "=guessed", url.replace("/log?", "/other?")):
        assert requests.put(forged, data=b"x", headers=headers, timeout=10).status_code == 403


def test_steps_summaries_and_annotations_are_kept(strict, job):
    job.update_steps(update(SET_UP, 1, "Set up job", 6, 2), update(BUILD, 2, "Build", 5))
    job.update_steps(update(BUILD, 2, "Build", 3))
    assert [(step.name, step.status) for step in strict.job(1).steps] == [
        ("Set up job", "completed"),
        ("Build", "in_progress"),
    ]
    job.upload_summary("# sum\n", BUILD)
    warning = {"level": "warning", "message": "careful", "startLine": 11, "endLine": 11, "stepNumber": 2}
    steps = [result(SET_UP, 1, "Set up job", "succeeded"), result(BUILD, 2, "Build", "failed", warning)]
    notice = {"level": "notice", "message": "of the job"}
    assert job.complete("failed", stepResults=steps, annotations=[notice]).status_code == 204
    seen = strict.job(1)
    assert [(step.number, step.conclusion, step.summary) for step in seen.steps] == [
        (1, "success", None),
        (2, "failure", "# sum\n"),
    ]
    assert {(each.level, each.message, each.step) for each in seen.annotations} == {
        ("warning", "careful", 2),
        ("notice", "of the job", None),
    }


def test_the_control_tells_a_job_its_log_and_the_log_of_a_step(strict, job):
    job.update_steps(update(BUILD, 2, "Build", 6, 2))
    job.upload_log(log("set up", "built"))
    job.upload_log(log("built"), step=BUILD)
    job.upload_summary("done", BUILD)
    told = control(strict, "jobs/1").json()
    assert told["steps"][0]["summary"] == "done"
    assert control(strict, "jobs/1/log").text == "set up\nbuilt\n"
    assert control(strict, "jobs/1/steps/2/log").text == "built\n"
    assert control(strict, "jobs/1/steps/3/log").status_code == 404


def test_github_tells_the_steps_of_a_job(strict, job):
    job.update_steps(update(BUILD, 2, "Build", 6, 7))
    told = rest(strict, "GET", "/repos/o/r/actions/jobs/1").json()["steps"]
    assert [(step["name"], step["number"], step["status"], step["conclusion"]) for step in told] == [
        ("Build", 2, "completed", "skipped")
    ]


def test_a_listener_completes_the_job_of_a_worker_that_died(strict, job):
    body = {**job.ids, "conclusion": "failed", "annotations": []}
    assert job.post(f"{job.service}completejob", body).status_code == 204
    assert strict.job(1).conclusion == "failure"


def test_what_the_feed_should_not_carry_ends_it_and_is_kept(strict_at):
    sandbox = strict_at("127.0.0.1", 0)
    sandbox.submit_job("o/r", "x", STEPS)
    live = feed(Listener.of(sandbox, "r1", ["x"]).connect().take())
    live.send(b"no JSON")
    assert live.closed() == 1008
    assert "not JSON" in sandbox.forgive()[0]
    assert sandbox.job(1).lines == ()


def test_stopping_does_not_wait_for_a_feed_whose_other_side_is_deaf(strict, job):
    with closing_abruptly(feed(job)) as live:
        live.send(json.dumps({"value": ["x"], "stepId": BUILD, "startLine": 1, "count": 1}).encode())
        lines_once(strict, 1)
        began = time.monotonic()
        strict.stop()
        assert time.monotonic() - began < 9  # such a close is waited for ten


class TestIdTokens:
    """Behind the two variables that a step of such a job has."""

    @staticmethod
    def start(sandbox: Sandbox, **order: Any) -> TakenJob:
        sandbox.submit_job("o/r", "x", STEPS, workflow="Release", **order)
        return Listener.of(sandbox, "r1", ["x"]).connect().take()

    @staticmethod
    def ask(job: TakenJob, token: str | None = None) -> requests.Response:
        url = f"{job.connection['GenerateIdTokenUrl']}&audience=runnerctl"
        return requests.get(url, headers={"Authorization": f"Bearer {token or job.token}"}, timeout=10)

    def test_they_speak_of_the_very_job(self, strict):
        job = self.start(strict, permissions={"id-token": "write"})
        keys = jwt.PyJWKClient(f"{strict.server_url}/.well-known/jwks")
        token = self.ask(job).json()["value"]
        claims = jwt.decode(token, keys.get_signing_key_from_jwt(token), algorithms=["RS256"], audience="runnerctl")
        wanted = {
            "iss": strict.server_url,
            "repository": "o/r",
            "repository_owner": "o",
            "run_id": str(strict.job(1).run_id),
            "ref": "refs/heads/main",
            "sub": "repo:o/r:ref:refs/heads/main",
            "workflow": "Release",
            "workflow_ref": "o/r/.github/workflows/ci.yml@refs/heads/main",
            "runner_environment": "self-hosted",
        }
        assert {name: claims[name] for name in wanted} == wanted

    def test_they_need_the_workflows_permission(self, strict):
        job = self.start(strict)
        assert "GenerateIdTokenUrl" not in job.connection
        job.connection["GenerateIdTokenUrl"] = f"{strict.server_url}/sandbox/idtoken/?api-version=2.0"
        assert self.ask(job).status_code == 403

    def test_they_are_for_the_jobs_own_token_only_and_while_it_runs(self, strict):
        job = self.start(strict, permissions={"id-token": "write"})
        assert self.ask(job, token=job.github_token).status_code == 401
        job.complete()
        assert self.ask(job).status_code == 403
