"""The fork guard: jobs of pull requests from forks fail before any of their steps, whatever strangers may write."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runnerctl import core
from runnerctl.core.host import job_hooks
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, create, until

REPO = "acme/widgets"
FORK = "This runner runs no jobs of pull requests from forks"
UNREADABLE = "This runner runs no job whose trigger it cannot read"
LIE = '"},"head":{"repo":{"full_name":"acme/widgets"}},"x":{"y":"'


def pull_request(head: str | None, base: str = REPO, **more: Any) -> dict[str, Any]:
    """As much of the event as says whose it is, in GitHub's shape."""
    return {
        "action": "opened",
        "number": 7,
        "pull_request": {
            "labels": [{"name": "full_name"}],
            "title": "Improve",
            **more,
            "user": {"login": "mona", "site_admin": False},
            "head": {
                "label": "mona:main",
                "ref": "main",
                "user": {"login": "mona"},
                "repo": head and {"id": 1, "full_name": head, "fork": head != base, "topics": ["a", "b"]},
            },
            "base": {"ref": "main", "repo": {"id": 2, "full_name": base, "size": 1.5e3, "license": None}},
        },
        "repository": {"full_name": base, "fork": False},
    }


EVENTS: dict[str, tuple[dict[str, Any], str | None]] = {
    "a pull request of the repository itself": (pull_request(REPO), None),
    "the same in another case": (pull_request("Acme/Widgets"), None),
    "a push": ({"ref": "refs/heads/main", "repository": {"full_name": REPO}, "commits": []}, None),
    "no event at all": ({}, None),
    "a comment on a pull request": ({"issue": {"pull_request": {"url": "x"}}, "comment": {"body": "hi"}}, None),
    "a run by hand with inputs": ({"inputs": {"pull_request": "7", "note": 'a "quoted" \\ one'}}, None),
    "a pull request that is null": ({"pull_request": None}, None),
    "a fork's pull request": (pull_request("mona/widgets"), FORK),
    "one whose fork is deleted": (pull_request(None), FORK),
    "one whose title lies": (pull_request("mona/widgets", title=LIE, body=LIE.replace('"', '\\"')), FORK),
    "one whose branch lies": (pull_request("mona/widgets", ref='\\",' + LIE + "\\"), FORK),
    "one with a lying key": (pull_request("mona/widgets", **{'head":{"repo":{"full_name': REPO}), FORK),
    "one that says it in other places": (
        pull_request("mona/widgets", custom={"head": {"repo": {"full_name": REPO}}}, repo={"full_name": REPO}),
        FORK,
    ),
    "one with a long body": (pull_request("mona/widgets", body=f"{LIE}\n\\" * 5000), FORK),
}
BROKEN = {
    "empty": "",
    "cut within a string": json.dumps(pull_request(REPO))[:-30],
    "cut between strings": '{"pull_request": {"head": {',
    "no object": '["pull_request"]',
    "closed too often": json.dumps(pull_request(REPO)) + "}",
}
SHELLS = [shell for shell in ("bash", "sh") if shutil.which(shell)]
SPELLINGS = {"compact": {"separators": (",", ":")}, "indented": {"indent": 2}}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return guard(tmp_path / "packages")


def guard(package_dir: Path) -> Path:
    """Within what runs before each job."""
    return Path(job_hooks.started(package_dir, guard=True, then=None) or "")


def judged(script: Path, shell: str, event: Path | None) -> tuple[int, str]:
    environment = {} if event is None else {"GITHUB_EVENT_PATH": str(event)}
    ran = subprocess.run(
        [shell, "-e", str(script)], env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    return ran.returncode, ran.stdout.strip()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("name", EVENTS)
def test_whose_it_is_decides_and_not_what_it_says(
    script: Path, tmp_path: Path, name: str, spelling: str, shell: str
) -> None:
    event, refusal = EVENTS[name]
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event, ensure_ascii=False, **SPELLINGS[spelling]))  # type: ignore[arg-type]
    expected = (0, "") if refusal is None else (1, f"::error::{refusal}")
    assert judged(script, shell, path) == expected


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_counts_as_a_strangers(script: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "event.json"
    path.write_text(BROKEN[name])
    assert judged(script, "bash", path) == (1, f"::error::{UNREADABLE}")


def test_so_does_what_is_not_there(script: Path, tmp_path: Path) -> None:
    for event in (tmp_path / "missing.json", None):
        assert judged(script, "bash", event) == (1, f"::error::{UNREADABLE}")


# --- On a runner ---


@pytest.fixture
def guarded(host: Host) -> Iterator[Services]:
    services = host.services(RUNNERCTL_FORK_GUARD="true")
    yield services
    services.close()


def a_job(sandbox: Sandbox, name: str, event: dict[str, Any], *, env: dict[str, str] | None = None) -> int:
    steps = [{"run": "echo BREACH"}, {"run": "echo BREACH", "if": "always()"}]
    return sandbox.submit_job(REPO, [name], steps, env=env, event_name="pull_request_target", event=event)


def test_no_step_of_a_forks_job_runs_not_even_one_that_always_would(
    guarded: Services, host: Host, sandbox: Sandbox, tmp_path: Path
) -> None:
    runner = create(guarded, host.spec("guarded"), wait=core.Wait.ONLINE)
    innocent = tmp_path / "innocent.json"
    innocent.write_text("{}")
    lies = {"GITHUB_EVENT_PATH": str(innocent), "ACTIONS_RUNNER_HOOK_JOB_STARTED": "", "PATH": str(tmp_path)}
    seen = sandbox.wait_job(a_job(sandbox, "guarded", pull_request("mona/widgets"), env=lies), timeout=20)
    assert seen.conclusion == "failure"
    assert f"##[error]{FORK}" in seen.lines
    assert "BREACH" not in seen.lines
    until(lambda: not guarded.store.get(runner.id).live)  # type: ignore[union-attr]
    assert (host.roots(), sandbox.runners()) == ([], [])


@pytest.mark.persistent
def test_a_persistent_runner_goes_on_after_it(guarded: Services, host: Host, sandbox: Sandbox) -> None:
    create(guarded, host.spec("steady", ephemeral=False), wait=core.Wait.ONLINE)
    assert sandbox.wait_job(a_job(sandbox, "steady", pull_request("mona/widgets")), timeout=20).conclusion == "failure"
    seen = sandbox.wait_job(a_job(sandbox, "steady", pull_request(REPO)), timeout=20)
    assert (seen.conclusion, seen.lines.count("BREACH")) == ("success", 2)


def test_without_the_setting_nothing_is_asked_before_a_job(services: Services, host: Host, sandbox: Sandbox) -> None:
    create(services, host.spec("open"), wait=core.Wait.ONLINE)
    assert sandbox.wait_job(a_job(sandbox, "open", pull_request("mona/widgets")), timeout=20).conclusion == "success"


def test_the_script_is_made_once_for_all_and_made_good_if_it_was_changed(tmp_path: Path) -> None:
    script = guard(tmp_path)
    assert script.stat().st_mode & 0o777 == 0o555
    inode = script.stat().st_ino
    assert guard(tmp_path).stat().st_ino == inode
    content = script.read_bytes()
    script.chmod(0o755)
    script.write_text("exit 0\n")
    assert guard(tmp_path).read_bytes() == content
    assert [path.name for path in script.parent.iterdir()] == [script.name]
