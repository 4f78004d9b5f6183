"""The sandbox misbehaves as it is told, by Python and over HTTP, and only with the calls that were meant."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

from runnerctl.sandbox import Fault, Sandbox, Settings

RUNNERS = "/repos/o/r/actions/runners"
JIT = f"{RUNNERS}/generate-jitconfig"
CONTENT = b"0123456789" * 1000


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    archive = tmp_path / "runner.tar.gz"
    archive.write_bytes(CONTENT)
    with Sandbox(archive=archive) as running:
        yield running


def rest(sandbox: Sandbox, method: str, path: str, body: Any = None, timeout: float = 10) -> requests.Response:
    headers = {"Authorization": f"Bearer {sandbox.pat}"}
    return requests.request(method, sandbox.api_url + path, json=body, headers=headers, timeout=timeout)


def control(sandbox: Sandbox, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {sandbox.pat}"}
    return requests.request(method, f"{sandbox.control_url}/{path}", json=body, headers=headers, timeout=10)


def jit(name: str) -> dict[str, Any]:
    return {"name": name, "runner_group_id": 1, "labels": ["x"]}


def download_url(sandbox: Sandbox) -> str:
    return str(rest(sandbox, "GET", f"{RUNNERS}/downloads").json()[0]["download_url"])


def names(sandbox: Sandbox) -> list[str]:
    return [runner.name for runner in sandbox.runners()]


def test_a_status_is_answered_instead_of_the_call_and_as_often_as_asked(sandbox):
    sandbox.add_fault(Fault(match="generate-jitconfig", status=503, times=2))
    statuses = [rest(sandbox, "POST", JIT, jit("a")).status_code for _ in range(3)]
    assert statuses == [503, 503, 201]
    assert [call.status for call in sandbox.calls] == statuses
    assert names(sandbox) == ["a"]


@pytest.mark.parametrize(
    "match", ["generate-jit", "POST /repos/o/r", "POST /api/v3/repos", r"POST .*/jitconfig|-jitconfig$"]
)
def test_a_fault_matches_by_part_or_pattern_with_or_without_the_prefix(sandbox, match):
    sandbox.add_fault(Fault(match, status=500))
    assert rest(sandbox, "GET", RUNNERS).status_code == 200
    assert rest(sandbox, "POST", JIT, jit("a")).status_code == 500


def test_a_fault_without_an_end_lasts_until_it_is_cleared(sandbox):
    sandbox.add_fault(Fault("GET", status=502, times=None))
    assert {rest(sandbox, "GET", RUNNERS).status_code for _ in range(5)} == {502}
    sandbox.clear_faults()
    assert rest(sandbox, "GET", RUNNERS).status_code == 200


def test_a_server_error_is_not_json_and_a_refusal_is(sandbox):
    sandbox.add_fault(Fault("GET", status=502))
    sandbox.add_fault(Fault("GET", status=404))
    sandbox.add_fault(Fault("GET", status=200, body={"total_count": 0, "runners": []}, headers={"X-Made-Up": "yes"}))
    sandbox.add_fault(Fault("GET", status=200, body="not json"))
    with pytest.raises(requests.JSONDecodeError):
        rest(sandbox, "GET", RUNNERS).json()
    assert rest(sandbox, "GET", RUNNERS).json()["message"] == "Not Found"
    made_up = rest(sandbox, "GET", RUNNERS)
    assert made_up.json()["runners"] == []
    assert made_up.headers["X-Made-Up"] == "yes"
    assert rest(sandbox, "GET", RUNNERS).text == "not json"


def test_a_dropped_call_was_never_handled(sandbox):
    sandbox.add_fault(Fault("generate-jitconfig", drop=True))
    with pytest.raises(requests.ConnectionError):
        rest(sandbox, "POST", JIT, jit("a"))
    assert names(sandbox) == []
    assert (sandbox.calls[0].status, sandbox.calls[0].answered) == (0, False)


def test_a_lost_answer_leaves_the_runner_registered(sandbox):
    sandbox.add_fault(Fault("generate-jitconfig", lost_answer=True))
    with pytest.raises(requests.ConnectionError):
        rest(sandbox, "POST", JIT, jit("a"))
    assert names(sandbox) == ["a"]
    assert (sandbox.calls[0].status, sandbox.calls[0].answered) == (201, False)
    assert rest(sandbox, "POST", JIT, jit("a")).status_code == 409


def test_who_does_not_wait_for_a_late_answer_has_registered_all_the_same(sandbox):
    sandbox.add_fault(Fault("generate-jitconfig", delay=30))
    with pytest.raises(requests.ReadTimeout):
        rest(sandbox, "POST", JIT, jit("a"), timeout=0.2)
    assert names(sandbox) == ["a"]


def test_a_delay_delays(sandbox):
    sandbox.add_fault(Fault("GET", delay=0.2))
    started = time.monotonic()
    assert rest(sandbox, "GET", RUNNERS).status_code == 200
    assert time.monotonic() - started >= 0.2


def test_the_primary_rate_limit_says_when_it_ends(sandbox):
    sandbox.add_fault(Fault("GET", rate_limit="primary", retry_after=7))
    answer = rest(sandbox, "GET", RUNNERS)
    assert answer.status_code == 403
    assert answer.json()["message"].startswith("API rate limit exceeded for ")
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert int(answer.headers["X-RateLimit-Reset"]) - time.time() == pytest.approx(7, abs=2)
    assert "Retry-After" not in answer.headers


def test_the_secondary_rate_limit_says_how_long_to_wait(sandbox):
    sandbox.add_fault(Fault("GET", rate_limit="secondary", retry_after=7))
    answer = rest(sandbox, "GET", RUNNERS)
    assert answer.status_code == 403
    assert "secondary rate limit" in answer.json()["message"]
    assert answer.headers["Retry-After"] == "7"
    assert int(answer.headers["X-RateLimit-Remaining"]) > 0


def test_an_allowance_that_is_used_up_is_refused_until_the_hour_is_over(tmp_path):
    archive = tmp_path / "runner.tar.gz"
    archive.write_bytes(CONTENT)
    with Sandbox(archive=archive, settings=Settings(rate_limit=2)) as sandbox:
        assert [rest(sandbox, "GET", RUNNERS).status_code for _ in range(3)] == [200, 200, 403]
        assert rest(sandbox, "GET", "/rate_limit").json()["resources"]["core"]["remaining"] == 0
        sandbox.clock_offset = 3601
        assert rest(sandbox, "GET", RUNNERS).status_code == 200


def test_all_calls_can_be_made_slower(tmp_path):
    archive = tmp_path / "runner.tar.gz"
    archive.write_bytes(CONTENT)
    with Sandbox(archive=archive, latency=0.1) as sandbox:
        started = time.monotonic()
        rest(sandbox, "GET", RUNNERS)
        assert time.monotonic() - started >= 0.1
        assert sandbox.delay_all == 0.1


def test_a_download_can_break_off_and_then_be_continued(sandbox):
    url = download_url(sandbox)
    sandbox.add_fault(Fault("GET /sandbox/downloads", cut_after=4000))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(url, timeout=10)
    rest_of_it = requests.get(url, headers={"Range": "bytes=4000-"}, timeout=10)
    assert (rest_of_it.status_code, rest_of_it.content) == (206, CONTENT[4000:])


def test_a_download_can_be_another_file_than_was_promised(sandbox):
    url = download_url(sandbox)
    sandbox.add_fault(Fault("GET /sandbox/downloads", status=200, body="garbage"))
    assert requests.get(url, timeout=10).content == b"garbage"
    assert requests.get(url, timeout=10).content == CONTENT


def test_a_pattern_that_cannot_be_read_is_refused():
    with pytest.raises(ValueError, match="not a regular expression"):
        Fault("GET (", status=500)


def test_calls_are_recorded_with_githubs_paths(sandbox):
    rest(sandbox, "GET", f"{RUNNERS}?per_page=5")
    requests.get(download_url(sandbox), timeout=10)
    seen = [(call.method, call.path, call.query, call.status) for call in sandbox.calls]
    assert seen == [("GET", RUNNERS, "per_page=5", 200), ("GET", f"{RUNNERS}/downloads", "", 200)]


def test_a_new_release_is_the_latest_and_the_old_one_stays(sandbox, tmp_path):
    newer = tmp_path / "newer.tar.gz"
    newer.write_bytes(b"newer")
    sandbox.add_release("2.337.0", newer)
    assert rest(sandbox, "GET", "/repos/actions/runner/releases/latest").json()["tag_name"] == "v2.337.0"
    assert rest(sandbox, "GET", "/repos/actions/runner/releases/tags/v2.336.0").status_code == 200
    assert requests.get(download_url(sandbox), timeout=10).content == b"newer"


def test_an_identity_that_is_handed_in_is_kept(sandbox, tmp_path):
    archive = tmp_path / "runner.tar.gz"
    with Sandbox(archive=archive, private_key_pem=sandbox.private_key_pem) as again:
        assert again.environment()["GITHUB_APP_PRIVATE_KEY_B64"] == sandbox.environment()["GITHUB_APP_PRIVATE_KEY_B64"]
        assert again.environment()["GITHUB_API_URL"] == again.api_url != sandbox.api_url


def test_an_address_that_is_taken_is_told_at_the_start(sandbox):
    port = int(sandbox.server_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        Sandbox(port=port, archive=Path("/dev/null")).start()


def test_without_an_archive_the_stand_in_is_packed():
    with Sandbox() as sandbox:
        assert requests.get(download_url(sandbox), timeout=10).content[:2] == b"\x1f\x8b"


class TestControl:
    """The same over HTTP."""

    def test_nothing_is_done_for_strangers(self, sandbox):
        url = f"{sandbox.control_url}/jobs"
        order = {"repo": "o/r", "runs_on": "x", "steps": [{"run": "true"}]}
        assert requests.post(url, json=order, timeout=10).status_code == 401
        assert requests.post(url, json=order, headers={"Authorization": "Bearer x"}, timeout=10).status_code == 401
        assert sandbox.jobs() == []

    def test_a_job_is_submitted_shown_and_cancelled(self, sandbox):
        order = {"repo": "o/r", "runs_on": ["x"], "steps": [{"run": "make", "name": "Build"}], "env": {"A": "1"}}
        made = control(sandbox, "POST", "jobs", order)
        assert made.status_code == 201
        job = made.json()
        assert sandbox.job(job["id"]).status == "queued"
        assert control(sandbox, "GET", f"jobs/{job['id']}?wait=0.05").json() == job
        assert control(sandbox, "GET", "jobs").json() == [job]
        assert control(sandbox, "POST", f"jobs/{job['id']}/cancel").json()["conclusion"] == "cancelled"
        assert control(sandbox, "GET", f"jobs/{job['id']}?wait=30").json()["status"] == "completed"
        assert control(sandbox, "GET", f"jobs/{job['id']}/log").text == ""
        assert control(sandbox, "GET", "jobs/99").status_code == 404

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"repo": "o"}, "OWNER/REPO"),
            ({"runs_on": []}, "runs_on"),
            ({"steps": [{"name": "nothing"}]}, "either"),
            ({"steps": [{"run": "a", "uses": "b"}]}, "either"),
            ({"colour": "red"}, "colour"),
            ({"env": {"A": 1}}, "env"),
        ],
    )
    def test_what_cannot_be_a_job_is_refused(self, sandbox, change, named):
        order = {"repo": "o/r", "runs_on": "x", "steps": [{"run": "true"}], **change}
        answer = control(sandbox, "POST", "jobs", order)
        assert answer.status_code == 400
        assert named in answer.json()["error"]
        if "colour" not in change:
            with pytest.raises(msgspec.ValidationError, match=named):
                sandbox.submit_job(**order)

    def test_faults_are_added_listed_and_cleared(self, sandbox):
        assert control(sandbox, "POST", "faults", {"match": "GET", "status": 500, "times": 2}).status_code == 201
        assert rest(sandbox, "GET", RUNNERS).status_code == 500
        assert control(sandbox, "GET", "faults").json()[0]["times"] == 1
        assert control(sandbox, "DELETE", "faults").status_code == 204
        assert rest(sandbox, "GET", RUNNERS).status_code == 200
        assert control(sandbox, "POST", "faults", {"match": "GET", "statuss": 1}).status_code == 400

    def test_a_version_is_given_an_end(self, sandbox):
        path = f"{RUNNERS}/deprecations/2.336.0"
        ended = {"runtime_deprecates_at": "2026-11-05T08:04:55Z"}
        assert control(sandbox, "PUT", "versions/2.336.0", ended).status_code == 200
        assert rest(sandbox, "GET", path).json()["runtime_deprecates_at"] == "2026-11-05T08:04:55Z"
        assert control(sandbox, "PUT", "versions/2.336.0", {"runtime_deprecates": "soon"}).status_code == 400
        assert control(sandbox, "PUT", "versions/2.336.0", {}).status_code == 200
        assert rest(sandbox, "GET", path).json()["runtime_deprecates_at"] is None

    def test_knobs_are_turned_one_by_one(self, sandbox):
        knobs = control(sandbox, "PUT", "knobs", {"idle_lie": True}).json()
        turned = {"idle_lie": True, "should_acknowledge": True, "require_fips": True}
        versions = {"deprecations": True, "registration_minimum": "2.329.0"}
        assert knobs == {"delay_all": 0.0, "dispatch_on_delete": False, "clock_offset": 0.0, **turned, **versions}
        assert sandbox.idle_lie
        assert control(sandbox, "GET", "knobs").json() == knobs

    def test_the_state_and_the_calls_are_told(self, sandbox):
        sandbox.add_runner("o", "foreign", labels=["x"])
        rest(sandbox, "GET", "/orgs/o/actions/runners")
        state = control(sandbox, "GET", "state").json()
        assert state["runners"][0]["name"] == "foreign"
        assert state["jobs"] == []
        assert control(sandbox, "GET", "calls").json()[0]["path"] == "/orgs/o/actions/runners"

    def test_faults_do_not_reach_the_control(self, sandbox):
        sandbox.add_fault(Fault(".", status=500, times=None))
        assert rest(sandbox, "GET", RUNNERS).status_code == 500
        assert control(sandbox, "GET", "state").status_code == 200
