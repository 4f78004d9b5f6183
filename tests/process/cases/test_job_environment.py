"""What an operator gives to jobs: by the settings, by a create, around each job; and who may."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
import yaml

from runnerctl.sandbox import Sandbox

from .machine import REPO, Machine, Server, until

SHOW = {"run": "env | sort"}


def settings_of(machine: Machine, **document: object) -> None:
    """Written to a config file."""
    path = machine.top / "runnerctl.yaml"
    path.write_text(yaml.safe_dump(document))
    machine.set(RUNNERCTL_CONFIG=str(path))


def script(machine: Machine, name: str, text: str) -> Path:
    path = machine.top / name
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def out(machine: Machine) -> Path:
    """Where jobs may write: beside directories that are kept from them they can make nothing new."""
    made = machine.top / "out"
    made.mkdir()
    return made


def ran(github: Sandbox, label: str, *steps: dict[str, object], **more: object) -> list[str]:
    """What a job says."""
    seen = github.wait_job(github.submit_job(REPO, [label], list(steps or (SHOW,)), **more))  # type: ignore[arg-type]
    assert seen.conclusion == "success", seen
    return list(seen.lines)


def test_the_settings_give_every_job_variables_a_path_and_scripts_around_it(
    machine: Machine, github: Sandbox, out: Path
) -> None:
    tool = script(machine, "our-tool", "#!/bin/sh\necho found\n")
    after = script(machine, "after.sh", f"env > {out}/after\n")
    settings_of(
        machine,
        job_env={
            "RUNNER_TOOL_CACHE": str(out / "tools"),
            "NODE_EXTRA_CA_CERTS": str(tool),
            "DOCKER_HOST": "unix:///run/no.sock",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "PATH": str(machine.top),
            "ACTIONS_RUNNER_HOOK_JOB_COMPLETED": str(after),
        },
    )
    machine.create("one", "--env", "GREETING=hello world", "--env", "DOCKER_HOST=unix:///run/other.sock")
    said = ran(github, "one", {"run": "our-tool; echo tools=$RUNNER_TOOL_CACHE; env"})
    assert {"found", f"tools={out}/tools", "HTTPS_PROXY=http://127.0.0.1:9", "GREETING=hello world"} <= set(said)
    assert "DOCKER_HOST=unix:///run/other.sock" in said
    assert "GREETING=hello world" in (out / "after").read_text()


@pytest.mark.persistent
def test_each_start_reads_the_settings_anew_and_keeps_what_the_create_gave(machine: Machine, github: Sandbox) -> None:
    variables = machine.top / "job.env"
    variables.write_text("A=before\nOURS=file\n")
    machine.set(RUNNERCTL_JOB_ENV_FILE=str(variables))
    machine.create("steady", "--persistent", "--env", "OURS=create", "--wait", "online")
    assert {"A=before", "OURS=create"} <= set(ran(github, "steady"))
    variables.write_text("A=after\nOURS=file\n")
    until(lambda: not machine.workers())
    for again in (("restart", "steady"), ("stop", "steady"), ("start", "steady")):
        assert machine.cli(*again).status == 0
    assert {"A=after", "OURS=create"} <= set(ran(github, "steady"))
    assert machine.serve().runner("steady")["env"] == {"OURS": "create"}


def test_the_operators_hook_runs_after_the_fork_guard_and_as_if_it_were_alone(
    machine: Machine, github: Sandbox, out: Path
) -> None:
    hook = script(machine, "it's before.sh", f"echo \"$PATH\" >> '{out}/path'\necho the hook ran\n")
    settings_of(machine, fork_guard=True, job_env={"ACTIONS_RUNNER_HOOK_JOB_STARTED": str(hook), "PATH": "/opt/x"})
    machine.create("own", "--wait", "online")
    assert "the hook ran" in ran(github, "own", {"run": "true"})
    assert (out / "path").read_text().startswith("/opt/x:")
    machine.create("foreign", "--wait", "online")
    head = {"repo": {"full_name": "mona/widgets"}}
    event = {"pull_request": {"head": head, "base": {"repo": {"full_name": REPO}}}}
    job = github.submit_job(REPO, ["foreign"], [SHOW], event_name="pull_request_target", event=event)
    seen = github.wait_job(job)
    assert seen.conclusion == "failure"
    assert "the hook ran" not in seen.lines


def test_a_hook_of_the_operators_that_fails_fails_the_job(machine: Machine, github: Sandbox) -> None:
    """As `bash -e`, which is how the runner would have run it."""
    hook = script(machine, "before.sh", "false\necho went on\n")
    settings_of(machine, fork_guard=True, job_env={"ACTIONS_RUNNER_HOOK_JOB_STARTED": str(hook)})
    machine.create("one", "--wait", "online")
    seen = github.wait_job(github.submit_job(REPO, ["one"], [SHOW]))
    assert (seen.conclusion, "went on" in seen.lines) == ("failure", False)


REFUSED = ["LD_PRELOAD=/x.so", "GITHUB_PAT=x", f"A=ghp_{'a' * 36}", "ACTIONS_RUNNER_INPUT_URL=x", "no-equals", "=x"]


@pytest.mark.parametrize("given", REFUSED)
def test_a_create_with_what_no_job_may_have_makes_nothing(machine: Machine, github: Sandbox, given: str) -> None:
    refused = machine.cli("create", "one", "--repo", REPO, "--env", given)
    assert refused.status == 2, refused
    assert "ghp_" not in refused.said
    assert not machine.root("one").exists()


def test_one_name_twice_is_a_mistake(machine: Machine) -> None:
    assert machine.cli("create", "one", "--repo", REPO, "--env", "A=1", "--env", "A=2").status == 2


# --- Over HTTP ---


def asked(server: Server, token: str, **fields: object) -> requests.Response:
    body = {"repo": REPO, "name": "web-1", "labels": "linux", **fields}
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(f"{server.url}/api/v1/runners", json=body, headers=headers, timeout=60)


def token(machine: Machine, *more: str) -> str:
    made = machine.cli("token", "create", "web", "--repo", REPO, "--labels", "linux", *more)
    assert made.status == 0, made
    return made.stdout.strip()


def test_the_operator_gives_variables_and_sees_them(machine: Machine, github: Sandbox) -> None:
    server = machine.serve()
    made = server.made("one", env={"A": "1", "ACTIONS_RUNNER_HOOK_JOB_COMPLETED": "/opt/none.sh"}, labels="linux")
    assert made["env"] == {"A": "1", "ACTIONS_RUNNER_HOOK_JOB_COMPLETED": "/opt/none.sh"}
    for wrong in ({"A": 1}, ["A=1"], {"LD_PRELOAD": "/x"}, {"A": "b\nC=d"}, "A=1"):
        refused = server.create("two", env=wrong)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
        assert refused.json()["errors"][0]["field"].startswith("env")


def test_a_token_needs_the_right_and_sets_no_hooks(machine: Machine, github: Sandbox) -> None:
    server, plain = machine.serve(), token(machine)
    refused = asked(server, plain, env={"A": "1"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "runners:env" in refused.json()["detail"]
    machine.cli("token", "revoke", "web")
    entitled = token(machine, "--scope", "runners:write", "--scope", "runners:env")
    hook = asked(server, entitled, env={"ACTIONS_RUNNER_HOOK_JOB_STARTED": "/opt/x.sh"})
    assert (hook.status_code, hook.json()["errors"][0]["field"]) == (403, "env")
    assert asked(server, entitled, env={"A": "of a tenant"}, wait="online").status_code == 201
    assert "A=of a tenant" in ran(github, "web-1")


# --- What the operator is told ---


def test_config_show_prints_them_and_doctor_finds_a_script_that_is_not_there(machine: Machine) -> None:
    settings_of(machine, job_env={"A": "1", "ACTIONS_RUNNER_HOOK_JOB_COMPLETED": "/opt/none.sh"})
    assert "A=1 ACTIONS_RUNNER_HOOK_JOB_COMPLETED=/opt/none.sh" in machine.cli("config", "show", "job_env").stdout
    for command in (("config", "validate"), ("doctor", "--offline"), ("serve",)):
        told = machine.cli(*command)
        assert told.status != 0
        assert "/opt/none.sh" in told.said
    settings_of(machine, job_env={"A": "1"}, job_env_file=str(machine.top / "none"))
    for command in (("config", "validate"), ("doctor", "--offline"), ("serve",)):
        assert str(machine.top / "none") in machine.cli(*command).said


def test_a_hook_that_cannot_follow_the_guard_is_refused_before_anything_is_made(machine: Machine) -> None:
    hook = script(machine, "before.js", "")
    settings_of(machine, fork_guard=True, job_env={"ACTIONS_RUNNER_HOOK_JOB_STARTED": str(hook)})
    refused = machine.cli("create", "one", "--repo", REPO)
    assert (refused.status, "before.js" in refused.said) == (2, True)
    assert machine.cli("config", "validate").status == 2
