"""Outside strict mode a newer runner can be tried: what is unknown is let pass, or answered 404 and logged."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from runnerctl.sandbox import Sandbox
from tests.support.sandboxes.listener import JSON, Listener, TakenJob, request_of

STEPS = [{"run": "echo hello"}]


@pytest.fixture
def lenient(tmp_path: Path) -> Iterator[Sandbox]:
    archive = tmp_path / "runner.tar.gz"
    archive.write_bytes(b"a package")
    with Sandbox(archive=archive) as sandbox:
        yield sandbox
        assert sandbox.violations == []


def test_a_field_that_is_new_is_let_pass(lenient):
    lenient.submit_job("o/r", "x", STEPS)
    job = Listener.of(lenient, "r1", ["x"]).connect().take()
    assert job.complete(newField=1).status_code == 204


def test_a_call_that_is_new_is_answered_404_and_logged(lenient, caplog):
    with caplog.at_level(logging.WARNING, logger="runnerctl.sandbox"):
        answer = requests.post(f"{lenient.server_url}/sandbox/run/newcall", json={}, timeout=10)
    assert answer.status_code == 404
    assert "POST /sandbox/run/newcall" in caplog.text


def test_a_field_that_is_missing_is_refused_all_the_same(lenient, caplog):
    lenient.submit_job("o/r", "x", STEPS)
    job = Listener.of(lenient, "r1", ["x"]).connect().take()
    with caplog.at_level(logging.WARNING, logger="runnerctl.sandbox"):
        assert job.post(f"{job.service}renewjob", {"planId": job.ids["planId"]}).status_code == 400
    assert "jobId" in caplog.text


def test_no_credentials_are_still_no_credentials(lenient):
    answer = requests.post(f"{lenient.server_url}/sandbox/run/renewjob", data=json.dumps({}), headers=JSON, timeout=10)
    assert answer.status_code == 400
    job = {"planId": "b129edab-ef04-40d5-bd5e-011433fb04f2", "jobId": "00abcdef-0000-0000-0000-000000000001"}
    answer = requests.post(f"{lenient.server_url}/sandbox/run/renewjob", data=json.dumps(job), headers=JSON, timeout=10)
    assert answer.status_code == 401


def test_strict_a_call_that_is_new_is_a_violation(tmp_path):
    archive = tmp_path / "runner.tar.gz"
    archive.write_bytes(b"a package")
    with Sandbox(archive=archive, strict=True) as sandbox:
        assert requests.get(f"{sandbox.server_url}/_apis/connectionData", timeout=10).status_code == 400
        config = {"Authorization": "RemoteAuth x"}
        assert requests.get(f"{sandbox.api_url}/actions/new", headers=config, timeout=10).status_code == 400
        assert [line.partition(":")[0] for line in sandbox.violations] == [
            "GET /_apis/connectionData",
            "GET /api/v3/actions/new",
        ]
        assert sandbox.forgive()
        assert sandbox.violations == []


def test_a_token_without_a_scheme_is_not_told(lenient, caplog):
    headers = {"Authorization": "ghs_secret"}
    with caplog.at_level(logging.WARNING, logger="runnerctl.sandbox"):
        answer = requests.delete(f"{lenient.server_url}/sandbox/broker/session", headers=headers, timeout=10)
    assert answer.status_code == 401
    assert "ghs_secret" not in caplog.text + answer.text


def test_what_the_sandbox_can_do_without_may_be_missing(lenient):
    lenient.submit_job("o/r", "x", STEPS)
    listener = Listener.of(lenient, "r1", ["x"])
    assert listener.sign_in().ok
    listener.session_id = listener.post(listener.broker("session"), {"agent": {"version": "3.0.0"}}).json()["sessionId"]
    query = {"sessionId": listener.session_id, "status": "Online", "runnerVersion": "3.0.0"}
    request_id = request_of(listener.http.get(listener.broker("message"), params=query, timeout=10))
    job = TakenJob(
        listener.post(f"{listener.settings['serverurlv2']}../run/acquirejob", {"jobMessageId": request_id}).json()
    )
    step = {"external_id": job.ids["jobId"], "name": "Build", "status": "completed", "conclusion": "skipped"}
    body = {**job.ids, "conclusion": "succeeded", "stepResults": [step]}
    assert job.post(f"{job.service}completejob", body).status_code == 204
    assert [(each.name, each.conclusion) for each in lenient.job(1).steps] == [("Build", "skipped")]


ANNOTATION = {"level": "warning", "message": "x"}
STEP = {"external_id": "00abcdef-0000-0000-0000-000000000001", "number": 1, "name": "run", "status": "completed",
        "conclusion": "succeeded", "started_at": "2026-11-30T12:06:42.8173084Z",
        "completed_at": "2026-11-30T12:06:43.0081392Z", "annotations": []}  # fmt: skip


@pytest.mark.parametrize(
    ("more", "conclusion"),
    [
        ({"conclusion": "succeededWithIssues"}, "success"),
        ({"conclusion": "skipped"}, "skipped"),
        ({"conclusion": "abandoned"}, "cancelled"),
        ({"stepResults": [{**STEP, "status": "delayed"}]}, "success"),
        ({"outputs": {"empty": {"value": None}}}, "success"),
    ],
)
def test_what_the_contracts_allow_and_no_runner_sends_yet_is_for_strict_mode_to_refuse(
    lenient, tmp_path, more, conclusion
):
    assert completed(lenient, more) == 204
    assert lenient.job(1).conclusion == conclusion
    with Sandbox(archive=tmp_path / "runner.tar.gz", strict=True) as strict:
        assert completed(strict, more) == 400
        assert len(strict.violations) == 1


@pytest.mark.parametrize("field", ["startLine", "endLine", "startColumn", "endColumn"])
def test_a_place_before_the_first_line_is_what_a_runner_may_send(tmp_path, field):
    (tmp_path / "runner.tar.gz").write_bytes(b"a package")
    with Sandbox(archive=tmp_path / "runner.tar.gz", strict=True) as strict:
        step = {**STEP, "annotations": [{**ANNOTATION, field: -1}]}
        assert completed(strict, {"stepResults": [step]}) == 204
        assert strict.violations == []


def completed(sandbox: Sandbox, more: dict[str, Any]) -> int:
    """The status with which such a ``completejob`` is answered."""
    sandbox.submit_job("o/r", "x", STEPS)
    return Listener.of(sandbox, "r1", ["x"]).connect().take().complete(**more).status_code
