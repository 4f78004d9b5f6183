"""The job message: what a person writes in a workflow, as a runner is sent it; and the actions it names."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
import requests

from runnerctl.sandbox import Sandbox
from tests.support.sandboxes.listener import Listener, TakenJob

SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python 3.11.2 has no such argument; what is unpacked here is our own."""

pytest_plugins = ("tests.support.sandboxes.sandboxes",)


def taken(sandbox: Sandbox, *steps: dict[str, Any], **order: Any) -> TakenJob:
    sandbox.submit_job("o/r", "x", steps, **order)
    return Listener.of(sandbox, "r1", ["x"]).connect().take()


def pairs(token: dict[str, Any]) -> dict[str, Any]:
    assert token["type"] == 2
    return {pair["Key"]: pair["Value"] for pair in token["map"]}


def test_a_script_goes_with_its_shell_and_directory(strict):
    job = taken(strict, {"name": "Say", "id": "say", "run": "echo", "shell": "sh", "working-directory": "d"})
    step = job.message["steps"][0]
    assert pairs(step["inputs"]) == {"script": "echo", "shell": "sh", "workingDirectory": "d"}
    assert (step["displayNameToken"], step["contextName"], step["reference"]) == ("Say", "say", {"type": "script"})


def test_environments_of_job_and_step_go_apart(strict):
    job = taken(strict, {"run": "true", "env": {"B": "2"}}, env={"A": "1"})
    assert pairs(job.message["environmentVariables"][0]) == {"A": "1"}
    assert pairs(job.message["steps"][0]["environment"]) == {"B": "2"}


@pytest.mark.parametrize(
    ("uses", "reference"),
    [
        (
            "o/n@v1",
            {"type": "repository", "name": "o/n", "ref": "v1", "repositoryType": "GitHub", "path": ""},
        ),
        (
            "o/n/a/b@feature/x",
            {"type": "repository", "name": "o/n", "ref": "feature/x", "repositoryType": "GitHub", "path": "a/b"},
        ),
        ("./here", {"type": "repository", "repositoryType": "self", "path": "./here"}),
        ("docker://alpine:3", {"type": "containerRegistry", "image": "alpine:3"}),
    ],
)
def test_an_action_is_named_by_where_it_comes_from(strict, uses, reference):
    step = taken(strict, {"uses": uses, "with": {"k": "v"}}).message["steps"][0]
    assert step["reference"] == reference
    assert pairs(step["inputs"]) == {"k": "v"}


@pytest.mark.parametrize("step", [{"uses": "checkout"}, {"uses": "o/n"}, {"run": "x", "uses": "o/n@v1"}, {}])
def test_what_is_no_step_is_refused_at_once(strict, step):
    with pytest.raises(msgspec.ValidationError):
        strict.submit_job("o/r", "x", [step])


def test_a_job_without_steps_is_refused_at_once(strict):
    with pytest.raises(msgspec.ValidationError, match="at least one"):
        strict.submit_job("o/r", "x", [])
    body = {"repo": "o/r", "runs_on": "x", "steps": []}
    headers = {"Authorization": f"Bearer {strict.pat}"}
    answer = requests.post(f"{strict.control_url}/jobs", json=body, headers=headers, timeout=10)
    assert answer.status_code == 400
    assert "at least one" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../b", ""])
def test_a_file_lies_below_the_workspace(strict, path):
    with pytest.raises(msgspec.ValidationError, match="below the workspace"):
        strict.submit_job("o/r", "x", [{"run": "true"}], files={path: "x"})


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        (None, "success()"),
        ("always()", "always()"),
        ("${{ failure() }}", "failure()"),
        ("github.ref == 'x'", "success() && (github.ref == 'x')"),
        ("${{ a }} && ${{ b }}", "success() && (format('{0} && {1}', a, b))"),
        ("${{ a }} && ${{ failure() }}", "format('{0} && {1}', a, failure())"),
        ("env.a == 'always()'", "success() && (env.a == 'always()')"),
        ("env.a == 'it''s' || cancelled()", "env.a == 'it''s' || cancelled()"),
        ("${{ env.a == '}}' }}", "success() && (env.a == '}}')"),
        (" ", "success()"),
    ],
)
def test_a_condition_means_success_unless_it_names_a_status(strict, written, sent):
    step = {"run": "true"} if written is None else {"run": "true", "if": written}
    assert taken(strict, step).message["steps"][0]["condition"] == sent


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("plain", "plain"),
        ("${{ github.sha }}", {"type": 3, "expr": "github.sha"}),
        ("${{ format('x}}y') }}", {"type": 3, "expr": "format('x}}y')"}),
        ("${{ 'it''s }}' }}${{ y }}", {"type": 3, "expr": "format('{0}{1}', 'it''s }}', y)"}),
        ("${{ not closed", "${{ not closed"),
        ("a ${{ x }} {b} it's ${{ y }}", {"type": 3, "expr": "format('a {0} {{b}} it''s {1}', x, y)"}),
    ],
)
def test_an_expression_is_left_to_the_runner(strict, text, token):
    assert pairs(taken(strict, {"run": text}).message["steps"][0]["inputs"])["script"] == token


def test_the_event_is_a_context(strict):
    job = taken(strict, {"run": "true"}, event_name="push", event={"a": [1, None, {"b": True}]})
    github = {pair["k"]: pair["v"] for pair in job.message["contextData"]["github"]["d"]}
    assert github["event_name"] == "push"
    inner = {"t": 2, "d": [{"k": "b", "v": True}]}
    assert github["event"] == {"t": 2, "d": [{"k": "a", "v": {"t": 1, "a": [1, None, inner]}}]}


def test_the_jobs_token_names_it_to_the_clients_of_artifacts(strict):
    job = taken(strict, {"run": "true"})
    claims = jwt.decode(job.token, options={"verify_signature": False})
    assert claims["orch_id"] == job.message["variables"]["system.orchestrationId"]["value"]
    assert f"Actions.Results:{job.ids['planId']}:{job.ids['jobId']}" in claims["scp"].split()


def fetch(url: str, token: str) -> requests.Response:
    return requests.get(url, auth=("x-access-token", token), timeout=10)


def unpacked(answer: requests.Response) -> dict[str, bytes]:
    """Files by path below the one directory at the top."""
    assert answer.status_code == 200
    with tarfile.open(fileobj=io.BytesIO(answer.content), mode="r:gz") as archive:
        names = archive.getnames()
        assert len({name.partition("/")[0] for name in names}) == 1
        files = [member for member in archive if member.isfile()]
        return {member.name.partition("/")[2]: archive.extractfile(member).read() for member in files}


def test_checkout_brings_the_files_of_the_job(strict):
    job = taken(strict, {"uses": "actions/checkout@v4"}, files={"src/a.txt": "ä", "Makefile": "all:\n"})
    found = job.resolve("actions/checkout@v4").json()["actions"]["actions/checkout@v4"]
    files = unpacked(fetch(found["tar_url"], job.github_token))
    assert {name: files[f"files/{name}"].decode() for name in ("src/a.txt", "Makefile")} == {
        "src/a.txt": "ä",
        "Makefile": "all:\n",
    }
    action = json.loads(files["action.yml"])
    assert action["runs"]["using"] == "composite"
    assert (
        found["resolved_sha"]
        == job.resolve("actions/checkout@v4").json()["actions"]["actions/checkout@v4"]["resolved_sha"]
    )


def test_an_archive_is_for_the_job_that_asked_and_while_it_runs(strict):
    job = taken(strict, {"uses": "actions/checkout@v4"})
    url = job.resolve("actions/checkout@v4").json()["actions"]["actions/checkout@v4"]["tar_url"]
    strict.submit_job("o/r", "y", [{"run": "true"}])
    other = Listener.of(strict, "r2", ["y"]).connect().take()
    assert fetch(url, other.github_token).status_code == 401
    assert requests.get(url, auth=("somebody", job.github_token), timeout=10).status_code == 401
    job.complete()
    assert fetch(url, job.github_token).status_code == 404


def test_an_action_comes_from_its_directory_with_its_modes(tmp_path):
    action = tmp_path / "action"
    (action / "dist").mkdir(parents=True)
    (action / "action.yml").write_text("name: js")
    (action / "dist" / "run.sh").write_text("#!/bin/sh")
    (action / "dist" / "run.sh").chmod(0o755)
    (action / ".git").mkdir()
    (action / ".git" / "config").write_text("not for others")
    package = tmp_path / "runner.tar.gz"
    package.write_bytes(b"a package")
    with Sandbox(archive=package, strict=True, actions={"Octo/JS": action}) as sandbox:
        job = taken(sandbox, {"uses": "octo/js@v1"})
        answer = fetch(job.resolve("octo/js@v1").json()["actions"]["octo/js@v1"]["tar_url"], job.github_token)
        assert set(unpacked(answer)) == {"action.yml", "dist/run.sh"}
        with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
            modes = {Path(member.name).name: member.mode for member in archive if member.isfile()}
        assert modes == {"action.yml": 0o644, "run.sh": 0o755}
        assert sandbox.violations == []


def archived(tmp_path: Path, action: Path) -> requests.Response:
    """The answer of the archive's address; of the resolution if there is no archive."""
    (tmp_path / "runner.tar.gz").write_bytes(b"a package")
    with Sandbox(archive=tmp_path / "runner.tar.gz", strict=True, actions={"o/a": action}) as sandbox:
        job = taken(sandbox, {"uses": "o/a@v1"})
        found = job.resolve("o/a@v1")
        assert sandbox.violations == []
        return fetch(found.json()["actions"]["o/a@v1"]["tar_url"], job.github_token) if found.ok else found


@pytest.fixture
def action(tmp_path: Path) -> Path:
    (tmp_path / "action" / "real").mkdir(parents=True)
    (tmp_path / "action" / "real" / "f").write_text("found")
    (tmp_path / "action" / "definition.yml").write_text("name: linked")
    (tmp_path / "action" / "action.yml").symlink_to("definition.yml")
    return tmp_path / "action"


def test_links_inside_of_an_action_stay_links(tmp_path, action):
    (action / "directory").symlink_to("real")
    (action / "real" / "up").symlink_to("../real/f")
    (action / "dangling").symlink_to("nowhere")
    with tarfile.open(fileobj=io.BytesIO(archived(tmp_path, action).content)) as archive:
        archive.extractall(tmp_path / "unpacked", **SAFELY)
    top = tmp_path / "unpacked" / "o-a"
    links = {name: str((top / name).readlink()) for name in ("directory", "real/up", "dangling")}
    assert links == {"directory": "real", "real/up": "../real/f", "dangling": "nowhere"}
    assert (top / "directory" / "f").read_text() == (top / "real" / "up").read_text() == "found"
    assert json.loads((top / "action.yml").read_text()) == {"name": "linked"}


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../secret", "real/../../secret", "../action/real", "here/../secret"]
)
def test_a_link_that_leaves_its_action_is_refused_by_name(tmp_path, action, target):
    (tmp_path / "secret").write_text("not for others")
    (action / "here").symlink_to(".")
    (action / "escape").symlink_to(target)
    answer = archived(tmp_path, action)
    assert answer.status_code == 422
    told = "Unable to resolve action `o/a@v1`, the link 'escape' leads out of the action's directory"
    assert answer.json()["errors"] == {"o/a@v1": {"message": told}}


@pytest.mark.parametrize("name", ["action.yml", "real/action.yml"])
def test_a_definition_that_lies_elsewhere_is_refused_too(tmp_path, action, name):
    (tmp_path / "other.yml").write_text("name: not of this action")
    (action / name).unlink(missing_ok=True)
    (action / name).symlink_to(tmp_path / "other.yml")
    assert archived(tmp_path, action).status_code == 422


DEFINITION = """\
name: 'Says hello'
on: yes
inputs:
  who: {default: world, required: true}
  version: {default: 3.10.1}
  padded: {default: 010}
  since: {default: 2026-11-30}
  nothing:
runs:
  using: node24
  main: dist/main.js
  post-if: ${{ always() }}
"""


def test_a_definition_is_sent_as_json_which_is_yaml_too(tmp_path):
    (tmp_path / "action").mkdir()
    (tmp_path / "action" / "action.yaml").write_text(DEFINITION)
    (tmp_path / "runner.tar.gz").write_bytes(b"a package")
    with Sandbox(archive=tmp_path / "runner.tar.gz", strict=True, actions={"o/a": tmp_path / "action"}) as sandbox:
        job = taken(sandbox, {"uses": "o/a@v1"})
        answer = fetch(job.resolve("o/a@v1").json()["actions"]["o/a@v1"]["tar_url"], job.github_token)
    assert json.loads(unpacked(answer)["action.yaml"]) == {
        "name": "Says hello",
        "on": "yes",
        "inputs": {
            "who": {"default": "world", "required": True},
            "version": {"default": "3.10.1"},
            "padded": {"default": "010"},
            "since": {"default": "2026-11-30"},
            "nothing": None,
        },
        "runs": {"using": "node24", "main": "dist/main.js", "post-if": "${{ always() }}"},
    }


def test_an_action_that_nobody_knows_is_told_by_name(strict):
    job = taken(strict, {"uses": "octo/none@v1"})
    answer = job.resolve("actions/checkout@v4", "octo/none@v1")
    assert answer.status_code == 422
    assert answer.json()["errors"] == {
        "octo/none@v1": {"message": "Unable to resolve action `octo/none@v1`, repository not found"}
    }


@pytest.mark.parametrize(
    "text",
    [
        "name: twice\nName: differs\n",
        "runs: {main: a, main: b}",
        "x: &anchor 1\ny: *anchor",
        "x: &alone y",
        "a: [",
        "x: !new y",
    ],
)
def test_a_definition_that_the_runner_does_not_take_is_left_for_it_to_refuse(tmp_path, text):
    (tmp_path / "action").mkdir()
    (tmp_path / "action" / "action.yml").write_text(text)
    assert unpacked(archived(tmp_path, tmp_path / "action")) == {"action.yml": text.encode()}
