"""No message says what was not seen, and after a failure it is said what goes on and which command ends it."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from runnerctl.cli.options import called_as
from runnerctl.core import Wait
from runnerctl.core.domain.errors import ConfigInvalid, RunnerExists
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.host.directories import disk_errors
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.front_ends.cli_running import Ran
from tests.support.front_ends.cli_running import cli as run_here
from tests.support.hosts.host import Host, Server, create, until

REPO = "acme/widgets"
PERSISTENT = pytest.mark.persistent


@pytest.fixture
def typed(host: Host, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are typed on this host."""
    for name, value in host.environment().items():
        monkeypatch.setenv(name, value)


def cli(*args: str) -> Ran:
    return run_here(*args)


def given_a_job(host: Host, sandbox: Sandbox, services: Services, name: str) -> None:
    sandbox.submit_job(REPO, [name], [{"run": f"while [ ! -e {host.top / 'go'} ]; do sleep 0.02; done"}])
    until(lambda: (runner := services.store.latest(name)) and routed.working(services, runner))


def github_is_down(sandbox: Sandbox, match: str = "/repos/") -> None:
    sandbox.add_fault(Fault(match=match, status=503, times=None))


# -- what GitHub said


@pytest.mark.usefixtures("typed")
def test_what_github_says_is_not_known_before_it_was_asked(host: Host, services: Services, sandbox: Sandbox) -> None:
    made = cli("create", "ci-1", "--repo", REPO, "--wait", "online", "-o", "json")
    assert (made.status, made.document["github"]) == (0, None)
    assert cli("status", "ci-1").rows[0]["GITHUB"] == "not asked yet"
    given_a_job(host, sandbox, services, "ci-1")
    assert cli("status", "ci-1", "-o", "json").document["github"] is None
    cli("reconcile")
    assert cli("status", "ci-1").rows[0]["GITHUB"].startswith("online, seen ")


@pytest.mark.usefixtures("typed")
def test_reconcile_gives_no_all_clear_when_github_cannot_be_asked(
    host: Host, services: Services, sandbox: Sandbox
) -> None:
    for name in ("here", "gone"):
        create(services, host.spec(name))
    github_is_down(sandbox)
    assert cli("remove", "gone", "--force").status == 0
    ran = cli("reconcile")
    assert ran.status == 10
    assert "as it should be" not in ran.stderr
    assert f"GitHub could not be asked about {REPO}; 1 registration could not be cleared" in ran.stderr
    sandbox.clear_faults()
    assert cli("reconcile").status == 0
    assert "Everything is as it should be" in cli("reconcile").stderr


@pytest.mark.usefixtures("typed")
def test_a_dry_run_gives_no_all_clear_either(host: Host, services: Services, sandbox: Sandbox) -> None:
    create(services, host.spec("here"))
    github_is_down(sandbox)
    ran = cli("reconcile", "--dry-run")
    assert (ran.status, "as it should be" in ran.stderr) == (10, False)


# -- what goes on


@pytest.mark.usefixtures("typed")
def test_a_removal_that_github_holds_up_says_that_it_goes_on_and_what_ends_it(
    host: Host, services: Services, sandbox: Sandbox
) -> None:
    create(services, host.spec("ci-1"))
    github_is_down(sandbox, "DELETE")
    ran = cli("remove", "ci-1")
    assert ran.status == 9
    assert "its removal goes on once GitHub can be asked" in ran.stderr
    assert "`runnerctl reconcile` at once; `runnerctl remove --force ci-1` removes it here now" in ran.stderr


@pytest.mark.usefixtures("typed")
def test_a_forced_removal_says_that_github_still_has_the_registration(
    host: Host, services: Services, sandbox: Sandbox
) -> None:
    create(services, host.spec("ci-1"))
    github_is_down(sandbox, "DELETE")
    ran = cli("remove", "ci-1", "--force")
    assert ran.status == 0
    assert f"Warning: Its registration in {REPO} could not be deleted and is kept as orphan 1" in ran.stderr
    again = cli("remove", "ci-1", "-o", "json")
    assert (again.status, "kept as orphan 1" in again.document["warning"]) == (0, True)
    sandbox.clear_faults()
    assert cli("reconcile").status == 0
    assert cli("remove", "ci-1").stderr == "Runner 'ci-1' is already removed\n"
    assert sandbox.runners() == []


@pytest.mark.usefixtures("typed")
def test_those_that_are_still_drained_at_the_timeout_are_removed_later_and_that_is_said(
    host: Host, services: Services, sandbox: Sandbox
) -> None:
    for name in ("a", "b"):
        create(services, host.spec(name))
        given_a_job(host, sandbox, services, name)
    ran = cli("remove", "a", "b", "--drain", "--timeout", "0.1s")
    assert ran.status == 10
    assert "2 of 2 runners are not removed yet" in ran.stderr
    for name in ("a", "b"):
        assert f"`runnerctl remove --force {name}` cancels the job and removes it now" in ran.stderr
    (host.top / "go").touch()
    until(lambda: not services.store.live())


# -- what was so before


@PERSISTENT
@pytest.mark.usefixtures("typed")
def test_what_was_so_already_is_not_said_to_be_done(host: Host, services: Services) -> None:
    create(services, host.spec("ci-1", ephemeral=False))
    assert cli("start", "ci-1").stderr == "Runner 'ci-1' is already running\n"
    assert cli("stop", "ci-1").stderr == "Stopped runner 'ci-1'\n"
    assert cli("stop", "ci-1").stderr == "Runner 'ci-1' is already stopped\n"
    assert cli("start", "ci-1").stderr == "Started runner 'ci-1'\n"
    assert cli("remove", "ci-1").stderr == "Removed runner 'ci-1'\n"
    assert cli("remove", "ci-1").stderr == "Runner 'ci-1' is already removed\n"


@PERSISTENT
@pytest.mark.usefixtures("typed")
def test_a_runner_that_is_being_removed_is_not_said_to_be_stopped(
    host: Host, services: Services, sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    runner = create(services, host.spec("ci-1", ephemeral=False))
    github_is_down(sandbox, "DELETE")
    assert cli("remove", "ci-1").status == 9
    for command in (("stop", "ci-1"), ("stop", "ci-1", "--now"), ("restart", "ci-1"), ("start", "ci-1")):
        ran = cli(*command, "-o", "json")
        assert (ran.status, ran.error["code"]) == (6, "invalid_transition"), command
    current = services.store.get(runner.id)
    assert current is not None
    assert current.state is RunnerState.REMOVING
    server = serve()
    for act in ("stop", "restart", "start"):
        refused = server.request("POST", f"/api/v1/runners/ci-1/{act}")
        assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition"), act


@pytest.mark.usefixtures("typed")
def test_githubs_rate_limit_says_when_to_try_again(sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault(match="/repos/", times=None, rate_limit="primary"))
    ran = cli("create", "ci-1", "--repo", REPO)
    assert ran.status == 9
    assert re.search(r"^Try again in \d+ (s|min|h)$", ran.stderr, re.MULTILINE)


# -- what is typed


def test_a_create_whose_name_differs_by_case_alone_names_the_other(host: Host, services: Services) -> None:
    create(services, host.spec("build-1"))
    done = host.cli("create", "BUILD-1", "--repo", REPO)
    assert (done.returncode, "Runner 'build-1' already exists: upper and lower case" in done.stderr) == (6, True)


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("again", ["BUILD-1", "Build-1"])
def test_so_it_is_where_two_come_at_once(host: Host, services: Services, again: str) -> None:
    services.store.admit(host.spec("build-1"), root=services.root("build-1"))
    with pytest.raises(RunnerExists, match="Runner 'build-1' already exists: upper and lower case make no difference"):
        services.store.admit(host.spec(again), root=services.root(again))


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    with pytest.raises(ConfigInvalid) as refused, disk_errors(blocked / "runners"):
        raise PermissionError(errno.EACCES, "Permission denied")
    assert f"'{blocked}/runners' cannot be made: User " in refused.value.message
    assert f"cannot write '{blocked}' (mode" in refused.value.message


def test_the_sandbox_shows_the_command_by_which_it_was_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "my tools" / "runnerctl"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.argv", [str(program)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert called_as() == f"'{program}'"
    monkeypatch.setenv("PATH", str(program.parent))
    assert called_as() == "runnerctl"
    monkeypatch.setattr("sys.argv", [f"{tmp_path}/runnerctl/__main__.py"])
    assert called_as() == f"{sys.executable} -m runnerctl"


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_server_module_shows_help_and_starts_nothing(host: Host, option: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "runnerctl.server", option],
        env=host.environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Serve the REST API" in ran.stdout
    assert not host.state_dir.exists()


# -- what the guide says


def test_the_guides_token_lets_the_guides_workflow_make_its_runners() -> None:
    guide = (Path(__file__).parents[3] / "docs/api-mode.md").read_text()
    pattern = re.search(r"token create .*--name-pattern '([^']+)'", guide)
    name = re.search(r'RUNNER_NAME="([^"]+)"', guide)
    assert pattern
    assert name
    assert fnmatchcase(name[1].replace("${{ github.run_id }}", "123456"), pattern[1])


def test_the_env_file_of_an_installation_says_who_reads_the_key() -> None:
    for template in (Path(__file__).parents[3] / "contrib/systemd").rglob("*.env"):
        assert "do not see it" not in template.read_text()
        assert "commands that root types read it, too" in template.read_text()


# -- lists over HTTP


def test_a_list_holds_what_the_runners_own_document_holds(
    host: Host, services: Services, serve: Callable[..., Server]
) -> None:
    server = serve()
    create(services, host.spec("ci-1"), wait=Wait.ONLINE)
    (listed,) = server.request("GET", "/api/v1/runners").json()["items"]
    own = server.request("GET", "/api/v1/runners/ci-1").json()
    assert listed.keys() == own.keys() - {"history"}
    assert (listed["status"], listed["pid"], listed["phase"]) == ("running", own["pid"], "listening")
    assert server.request("DELETE", "/api/v1/runners/ci-1").status_code == 200
    (ended,) = server.request("GET", "/api/v1/runners?all=true").json()["items"]
    assert ended.keys() == listed.keys()
    assert (ended["status"], ended["pid"], ended["job"]) == ("not_installed", None, None)
