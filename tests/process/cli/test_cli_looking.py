"""status, list, logs and config on a store that was filled without any process: what is shown, and how."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from runnerctl.core.domain.models import Runner, RunnerSpec, Scope
from runnerctl.core.domain.states import RunnerState as S
from runnerctl.core.services import Services
from runnerctl.core.settings.load import load
from runnerctl.sandbox.keys import private_key, to_pem
from tests.support.front_ends.cli_running import cli, on_a_terminal

TO = {
    S.PENDING: (),
    S.STARTING: (S.REGISTERED, S.STARTING),
    S.STOPPED: (S.REGISTERED, S.STARTING, S.STOPPED),
    S.COMPLETED: (S.REGISTERED, S.STARTING, S.REMOVING, S.COMPLETED),
    S.FAILED: (S.REMOVING, S.FAILED),
}


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """A host whose settings are this process's environment, as for a command that a user types."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("RUNNERCTL_", "GHWFAX_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RUNNERCTL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR", str(tmp_path / "runners"))
    opened = Services.open(load())
    yield opened
    opened.close()


def given(services: Services, name: str, state: S = S.STARTING, *, repo: str = "acme/widgets") -> Runner:
    spec = RunnerSpec.of(name=name, scope=Scope.of(repo=repo), labels="linux")
    runner = services.store.admit(spec, root=services.root(name))
    return services.store.transition(runner, *TO[state]) if TO[state] else runner


def given_log(services: Services, runner: Runner, *lines: str) -> None:
    run_dir = services.settings.state_dir / "runners" / runner.id
    run_dir.mkdir(parents=True)
    (run_dir / "runner.log").write_text("".join(f"{line}\n" for line in lines))


# --- status ---


@pytest.mark.parametrize(
    ("state", "word", "exit_status"),
    [
        (S.PENDING, "installed_not_running", 3),
        (S.STARTING, "installed_not_running", 3),
        (S.STOPPED, "installed_not_running", 3),
        (S.COMPLETED, "not_installed", 5),
        (S.FAILED, "not_installed", 5),
    ],
)
def test_status_says_the_guides_word_and_exits_by_it(services: Services, state: S, word: str, exit_status: int) -> None:
    given(services, "ci-1", state)
    ran = cli("status", "ci-1", "-o", "json")
    assert ran.status == exit_status
    assert ran.document.items() >= {"status": word, "name": "ci-1", "pid": None, "state": str(state)}.items()
    assert cli("status", "ci-1").rows[0]["STATUS"] == word


def test_status_does_not_regard_case(services: Services) -> None:
    given(services, "CI-1")
    assert cli("status", "ci-1", "-o", "name").stdout == "CI-1\n"


def test_status_without_a_name_tells_of_the_host(services: Services, tmp_path: Path) -> None:
    given(services, "a")
    given(services, "b", S.STOPPED)
    given(services, "gone", S.COMPLETED)
    orphaned = given(services, "lost", S.FAILED)
    services.store.keep_orphan(orphaned, reason="GitHub was away")
    ran = cli("status", "-o", "json")
    assert ran.status == 0
    assert ran.document["runners"] == 2
    assert ran.document["running"] == 0
    assert ran.document["states"] == {"starting": 1, "stopped": 1}
    assert ran.document["state_dir"] == str(tmp_path / "state")
    assert ran.document["base_dir"] == str(tmp_path / "runners")
    assert ran.document["orphans"] == 1
    assert ran.document["backend"] == "process"
    assert "that runs runnerctl" in ran.document["degraded"]


def test_status_on_a_terminal_is_a_card(services: Services) -> None:
    given(services, "ci-1")
    exit_status, shown = on_a_terminal("status", "ci-1")
    assert exit_status == 3
    assert any(line.split() == ["Status", "installed_not_running"] for line in shown.splitlines())


# --- orphans ---


def test_orphans_of_both_kinds_are_listed_with_reason_next_try_and_command(services: Services) -> None:
    lost, left = given(services, "lost", S.FAILED), given(services, "left", S.COMPLETED)
    services.store.keep_orphan(lost, reason="GitHub was away", seconds=90)
    services.store.keep_directory(left, path="/srv/.trash/x", reason="root owns 'built'", hint="Unmount it", seconds=0)
    documents = cli("orphans", "-o", "json").document["items"]
    shown = ("id", "kind", "what", "runner", "reason", "hint", "command", "tries")
    assert [tuple(each[name] for name in shown) for each in documents] == [
        (1, "registration", "lost in acme/widgets", "lost", "GitHub was away", None, "runnerctl orphans clear 1", 0),
        *[
            (
                2,
                "directory",
                "/srv/.trash/x",
                "left",
                "root owns 'built'",
                "Unmount it",
                "sudo runnerctl orphans clear 2",
                0,
            )
        ],
    ]
    assert all(each["since"] and each["next_try"] for each in documents)
    rows = cli("orphans").rows
    assert [(row["ID"], row["NEXT TRY"]) for row in rows] == [("1", "in 1m"), ("2", "now")]
    assert cli("orphans", "list", "-o", "name").stdout == "1\n2\n"
    assert "1 registration and 1 directory could not be cleared yet" in cli("doctor", "--offline").stdout


def test_without_orphans_there_is_nothing_to_list_or_to_clear(services: Services) -> None:
    for words in (("orphans",), ("orphans", "clear")):
        ran = cli(*words)
        assert (ran.status, ran.stdout, ran.stderr) == (0, "", "There are no orphans\n")


def test_an_orphan_that_is_forgotten_is_tried_no_more_and_its_number_not_used_again(services: Services) -> None:
    left = given(services, "left", S.COMPLETED)
    kept = {"path": "/srv/.trash/x", "reason": "root owns 'built'", "hint": None, "seconds": 0.0}
    services.store.keep_directory(left, **kept)
    ran = cli("orphans", "forget", "1")
    assert (ran.status, ran.stderr) == (0, "Forgot orphan 1, the directory /srv/.trash/x; it stays\n")
    assert services.store.orphans() == []
    again = cli("orphans", "forget", "1")
    assert (again.status, "There is no orphan 1" in again.stderr) == (5, True)
    assert services.store.keep_directory(left, **kept).id == 2


def test_what_belongs_to_a_removal_that_goes_on_is_not_forgotten(services: Services) -> None:
    services.store.keep_orphan(given(services, "going"), reason="GitHub was away")
    refused = cli("orphans", "forget", "1")
    assert (refused.status, "is still being removed" in refused.stderr) == (6, True)
    assert "`runnerctl remove --force going` ends the removal" in refused.stderr
    assert len(services.store.orphans()) == 1


# --- list ---


def test_list_shows_the_living_and_with_all_the_ended(services: Services) -> None:
    given(services, "old", S.COMPLETED)
    given(services, "a")
    given(services, "b", S.STOPPED, repo="acme/gadgets")
    assert cli("list", "-o", "name").stdout.split() == ["a", "b"]
    assert cli("list", "--all", "-o", "name").stdout.split() == ["old", "a", "b"]
    assert cli("list", "--state", "stopped", "-o", "name").stdout.split() == ["b"]
    assert cli("list", "--state", "starting", "-o", "name").stdout.split() == ["a"]
    assert cli("list", "--state", "completed", "-o", "name").stdout.split() == ["old"]
    assert cli("list", "--repo", "ACME/gadgets", "-o", "name").stdout.split() == ["b"]


def test_list_is_one_document_or_a_table_with_the_same_facts(services: Services) -> None:
    given(services, "a")
    item = cli("list", "-o", "json").document["items"][0]
    assert (item["name"], item["repo"], item["state"], item["labels"]) == (
        "a",
        "acme/widgets",
        "starting",
        ["linux", "a"],
    )
    row = cli("list").rows[0]
    assert (row["NAME"], row["SCOPE"], row["STATE"], row["LABELS"]) == ("a", "acme/widgets", "starting", "linux,a")
    assert yaml.safe_load(cli("list", "-o", "yaml").stdout)["items"][0] == item


def test_an_empty_list_is_an_empty_document_and_talk(services: Services) -> None:
    assert cli("list", "-o", "json").document == {"items": []}
    ran = cli("list")
    assert (ran.status, ran.stdout, ran.stderr) == (0, "", "There are no runners\n")


def test_list_goes_beyond_one_page(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abcde":
        given(services, name, S.PENDING)
    monkeypatch.setattr("runnerctl.cli.list._PAGE", 2)
    assert cli("list", "-o", "name").stdout.split() == list("abcde")


def test_a_table_on_a_terminal_fits_it(services: Services) -> None:
    given(services, "ci-1", repo="a-rather-long-owner/a-rather-long-repository-name")
    exit_status, shown = on_a_terminal("list", columns=100)
    assert exit_status == 0
    assert "\t" not in shown
    assert "ci-1" in shown
    plain = re.sub("\x1b\\[[0-9;]*m", "", shown)
    assert max(map(len, plain.splitlines())) <= 100


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_a_narrow_terminal_drops_what_is_least_needed_and_no_name_takes_all(services: Services, columns: int) -> None:
    long = "n" * 64
    given(services, long)
    given(services, "ci-1")
    shown = plainly("list", columns=columns)
    assert max(map(len, shown)) <= columns
    assert {"NAME", "STATE", "JOB", "AGE"} <= set(shown[0].split())
    assert "LABELS" not in shown[0]
    assert "".join(line.split()[0] for line in shown if line.startswith("n")) == long
    assert ["starting" in line.split() for line in shown if line.startswith("ci-1")] == [True]


def test_a_row_of_a_list_is_one_line(services: Services) -> None:
    for name in ("a", "b", "c"):
        given(services, name, repo="a-rather-long-owner/a-rather-long-repository-name")
    for columns in (40, 60, 80, 100, 120, 160):
        assert len(plainly("list", columns=columns)) == 4, columns
    assert "LABELS" in plainly("list", columns=160)[0]


def test_list_says_why_runners_have_failed(services: Services) -> None:
    runner = given(services, "bad", S.PENDING)
    services.store.transition(runner, S.REMOVING, S.FAILED, why="The disk is full", reason="The disk is full")
    assert cli("list", "--state", "failed").rows[0]["REASON"] == "The disk is full"
    assert any("The disk is full" in line for line in plainly("list", "--all", columns=100))


def test_a_long_reason_is_shown_on_a_narrow_terminal_too(services: Services) -> None:
    reason = "It is not online after 2 min, and its Listener keeps trying: Http response code Unauthorized from POST"
    runner = given(services, "bad", S.PENDING)
    services.store.transition(runner, S.REMOVING, S.FAILED, why=reason, reason=reason)
    header, *rows = plainly("list", "--state", "failed", columns=80)
    shown = " ".join(row[header.index("REASON") :].strip() for row in rows)
    assert shown.split() == reason.split()


def plainly(*args: str, columns: int) -> list[str]:
    """The lines on a terminal, without colours."""
    exit_status, shown = on_a_terminal(*args, columns=columns)
    assert exit_status == 0
    return re.sub("\x1b\\[[0-9;]*m", "", shown).splitlines()


# --- logs ---


def test_logs_shows_the_log_also_after_the_end(services: Services) -> None:
    given_log(services, given(services, "ci-1", S.COMPLETED), "one", "two", "three")
    assert cli("logs", "ci-1").stdout == "one\ntwo\nthree\n"
    assert cli("logs", "ci-1", "-n", "2").stdout == "two\nthree\n"
    assert cli("logs", "ci-1", "-n", "0").stdout == ""
    assert cli("logs", "ci-1", "-n", "1", "-o", "json").document == {
        "name": "ci-1",
        "told_by": {"lines": "log"},
        "lines": ["three"],
    }


def test_following_the_log_of_an_ended_runner_ends(services: Services) -> None:
    given_log(services, given(services, "ci-1", S.COMPLETED), "one", "two")
    ran = cli("logs", "ci-1", "-f", "-n", "1")
    assert (ran.status, ran.stdout) == (0, "two\n")


def test_logs_masks_secrets(services: Services) -> None:
    given_log(services, given(services, "ci-1"), "token ghs_" + "x" * 36)
    assert cli("logs", "ci-1").stdout == "token ***\n"


def test_control_characters_of_a_job_do_not_reach_the_terminal(services: Services) -> None:
    given_log(services, given(services, "ci-1"), "before\x1b]0;owned\x07after")
    assert "\x1b" not in on_a_terminal("logs", "ci-1")[1]
    assert "\x1b]0;owned\x07" in cli("logs", "ci-1").stdout  # a pipe gets what there is


def test_a_runner_without_a_log_is_said_to_have_none(services: Services) -> None:
    given(services, "ci-1", S.FAILED)
    ran = cli("logs", "ci-1")
    assert (ran.status, ran.stdout, ran.stderr) == (0, "", "Runner 'ci-1' has no log any more\n")


# --- remove ---


def test_removing_all_of_nothing_is_fine(services: Services) -> None:
    ran = cli("remove", "--all", "--yes")
    assert (ran.status, ran.stderr) == (0, "There are no runners to remove\n")
    assert cli("remove", "--all", "--yes", "-o", "json").document == {"items": []}


def test_removing_one_that_never_was_is_its_own_error(services: Services) -> None:
    assert cli("remove", "nobody", "-o", "json").error["code"] == "runner_not_found"


def test_removing_several_lists_each_failure(services: Services) -> None:
    given(services, "old", S.COMPLETED)
    ran = cli("remove", "nobody", "old", "nothing", "-o", "json")
    assert ran.status == 10
    assert ran.error["code"] == "some_failed"
    assert [(each["name"], each["code"]) for each in ran.error["failures"]] == [
        ("nobody", "runner_not_found"),
        ("nothing", "runner_not_found"),
    ]
    assert [each["name"] for each in ran.document["items"]] == ["old"]


def test_remove_all_asks_and_takes_no_for_an_answer(services: Services) -> None:
    runner = given(services, "ci-1")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "runnerctl", "remove", "--all"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.write(ours, b"n\n")
        stdout, stderr = process.communicate(timeout=30)
    os.close(ours)
    os.close(theirs)
    assert (process.returncode, stdout) == (0, "")
    assert "Remove 1 runner (ci-1)?" in stderr
    assert stderr.endswith("Nothing was removed\n")
    assert services.store.get(runner.id) == runner


# --- config ---


def test_a_duration_is_shown_as_one_would_type_it(services: Services) -> None:
    shown = {row["KEY"]: row["VALUE"] for row in cli("config", "show").rows}
    assert (shown["history_retention"], shown["log_retention"], shown["start_timeout"]) == ("30d", "7d", "2m")
    assert cli("config", "show", "history_retention", "-o", "json").document["items"][0]["value"] == 2592000.0


def test_config_show_tells_value_and_origin_and_masks_secrets(services: Services) -> None:
    env = {"GITHUB_PAT": "hunter2hunter2", "GHWFAX__DEFAULTS__LABELS": "linux,big"}
    ran = cli("config", "show", "-o", "json", env=env)
    items = {item["key"]: item for item in ran.document["items"]}
    assert "hunter2" not in ran.stdout + cli("config", "show", env=env).stdout
    assert items["github.pat"]["value"] == "********"
    assert items["defaults.labels"]["value"] == "linux,big"
    assert items["defaults.labels"]["origin"] == "environment: GHWFAX__DEFAULTS__LABELS"
    assert items["start_timeout"]["origin"] == "default"
    assert items["server.api_token"]["value"] is None


def test_config_show_of_named_settings_shows_those_alone(services: Services) -> None:
    assert [row["KEY"] for row in cli("config", "show", "start_timeout", "max_runners").rows] == [
        "max_runners",
        "start_timeout",
    ]
    ran = cli("-o", "json", "config", "show", "start_timout")
    assert (ran.status, ran.error["code"]) == (2, "invalid_request")
    assert (ran.error["message"], ran.error["hint"]) == (
        "'start_timout' is not a setting",
        "Did you mean 'start_timeout'?",
    )


def test_config_show_tells_what_follows_from_other_settings(services: Services, tmp_path: Path) -> None:
    rows = cli("config", "show", env={"GITHUB_SERVER_URL": "https://git.example.org"}).rows
    shown = {row["KEY"]: (row["VALUE"], row["ORIGIN"]) for row in rows}
    assert shown["github.api_url"] == ("https://git.example.org/api/v3", "follows from github.server_url")
    assert shown["package_dir"] == (str(tmp_path / "runners" / ".packages"), "follows from defaults.base_dir")


def test_config_validate_accepts_a_usable_app(services: Services) -> None:
    env = {
        "GITHUB_APP_ID": "1",
        "GITHUB_APP_PRIVATE_KEY": to_pem(private_key("app")).replace("\n", "\\n"),
        "GITHUB_WFA_RUNNER_SERVER__API_TOKEN": "an-operators-token",
    }
    ran = cli("config", "validate", env=env)
    assert (ran.status, ran.stdout) == (0, "OK\n")
    assert cli("config", "validate", "-o", "json", env=env).document["status"] == "ok"


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({}, "No GitHub credentials are set"),
        ({"GITHUB_APP_ID": "1"}, "GITHUB_APP_ID is set, but no private key"),
        ({"GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY": "nonsense"}, "The App's private key is not a PEM key"),
        ({"GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY_B64": "?"}, "is not the base64 of a PEM file"),
        ({"GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY_FILE": "no.pem"}, "cannot be read: No such file"),
        ({"GITHUB_PAT": "x", "RUNNERCTL_API_TOKEN": "a b"}, "The API token is empty or holds blanks"),
        ({"GITHUB_PAT": "x", "RUNNERCTL_API_TOKEN": "x"}, "has 1 characters, fewer than 12"),
        ({"GITHUB_PAT": "x", "RUNNERCTL_API_TOKEN": "your-very-long-random-secret-token-here"}, "example of a guide"),
        ({"GITHUB_PAT": "x", "GITHUB_API_URL": "https://ghe.example/api?token=t0psecret"}, "without ? or #"),
        ({"GITHUB_PAT": "x", "RUNNERCTL_START_TIMEOUT": "soon"}, "start_timeout 'soon' cannot be used"),
        ({"GITHUB_PAT": "x", "RUNNERCTL_STATE_DIR": "file/below"}, "use an absolute path, such as 'file/below'"),
    ],
)
def test_config_validate_names_what_cannot_be_used(
    services: Services, tmp_path: Path, env: dict[str, str], message: str
) -> None:
    (tmp_path / "file").touch()
    ran = cli("config", "validate", "-o", "json", env=env)
    assert ran.status == 2
    assert ran.error["code"] == "config_invalid"
    assert message in ran.error["message"].replace(f"{tmp_path}/", "")
    assert json.dumps(env.get("GITHUB_APP_PRIVATE_KEY", "-")) not in ran.stdout


def test_config_validate_makes_nothing(services: Services, tmp_path: Path) -> None:
    env = {"GITHUB_PAT": "x", "RUNNERCTL_STATE_DIR": str(tmp_path / "new"), "RUNNERCTL_API_TOKEN": "an-operators-token"}
    ran = cli("config", "validate", env=env)
    assert ran.status == 0
    assert "does not exist yet" in ran.stderr
    assert not (tmp_path / "new").exists()
