"""What users and scripts see when something goes wrong, or when they only ask for help."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import pytest
import yaml

from runnerctl.cli.failures import PartlyDone, as_error, document, text, wanted_output
from runnerctl.cli.main import ALIASES, COMMANDS, HIDDEN, root
from runnerctl.core.domain.errors import FieldError, GitHubRateLimited, InvalidRequest, RunnerBusy, RunnerctlError
from tests.support.front_ends.cli_running import cli

BUILT = sorted(set(COMMANDS) - {"demo"})


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("RUNNERCTL_", "GHWFAX_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RUNNERCTL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR", str(tmp_path / "runners"))


def test_no_command_at_all_is_a_call_for_help() -> None:
    assert cli().stdout == cli("--help").stdout
    assert cli().status == 0


@pytest.mark.parametrize("name", BUILT)
def test_every_command_has_the_help_line_of_the_table_and_an_example(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert command.short_help == COMMANDS[name]
    if name not in HIDDEN and not isinstance(command, click.Group):
        shown = cli(name, "-h")
        assert shown.status == 0
        assert f"  runnerctl {name}" in shown.stdout


@pytest.mark.parametrize("name", ["show", "validate"])
def test_every_config_command_has_an_example(name: str) -> None:
    assert f"config {name}" in cli("config", name, "--help").stdout.partition("Example")[2]


def test_hidden_commands_are_not_listed() -> None:
    assert "reap" not in cli("--help").stdout


def test_the_version_is_told() -> None:
    assert cli("--version").stdout == "runnerctl 0.1.0\n"
    assert cli("version") == cli("--version")


@pytest.mark.parametrize(("alias", "name"), sorted(ALIASES.items()))
def test_what_other_programs_call_it_is_the_same_command(alias: str, name: str) -> None:
    assert cli(alias, "--help") == cli(name, "--help")
    assert f"`{alias}`" in cli(name, "--help").stdout
    assert cli("help", alias) == cli("help", name)


@pytest.mark.parametrize("name", [*ALIASES, "version"])
def test_an_alias_hides_no_command(name: str) -> None:
    assert name not in COMMANDS
    assert f"\n  {name} " not in cli("--help").stdout


# --- Misuse ---

MISUSES = [
    (("creat",), "No such command 'creat'", "Did you mean 'create'?"),
    (("reapp",), "No such command 'reapp'", "`runnerctl --help` lists the commands"),
    (("transmogrify", "bash"), "No such command 'transmogrify'", "`runnerctl --help` lists the commands"),
    (("create",), "Missing argument 'NAME'", "`runnerctl create --help` shows what is allowed"),
    (("create", "x", "--rep", "a/b"), "No such option '--rep'", "Did you mean --repo?"),
    (("--server", "http://x", "list"), "No such option '--server'", None),
    (("config",), "Missing command", "`runnerctl config --help` shows what is allowed"),
    (("status", "a", "b"), "Got unexpected extra argument", None),
    (("create", "x"), "No repository was given", None),
    (("create", "x", "--repo", "a/b", "--org", "c"), "A repository and an organization were both given", None),
    (("create", "x", "--repo", "nonsense"), "Repository 'nonsense' is not allowed", None),
    (("create", "-", "--repo", "a/b"), "Runner name '-' is not allowed", None),
    (("create", "x", "--repo", "a/b", "--labels", "a,,b"), "A label is empty", None),
    (("create", "x", "--repo", "a/b", "--timeout", "2m"), "--timeout needs --wait online or --wait completed", None),
    (("create", "x", "--repo", "a/b", "--foreground", "--wait", "online"), "--foreground waits until", None),
    (("remove",), "Name the runners to remove, or pass --all", None),
    (("remove", "a", "--all"), "NAME and --all exclude each other", None),
    (("remove", "a", "--force", "--drain"), "--force and --drain exclude each other", None),
    (("remove", "a", "--timeout", "1m"), "--timeout needs --drain", None),
    (("remove", "a", "--yes"), "--yes needs --all", None),
    (("remove", "--all"), "--all needs --yes when standard input is not a terminal", None),
    (("remove", "a", "--drain", "--timeout", "soon"), "'soon' is not a duration; use 90, 90s, 2m or 1h", None),
    (("list", "--repo", "nonsense"), "Repository 'nonsense' is not allowed", None),
    (("list", "--state", "sleeping"), "'sleeping' is not one of", None),
]  # fmt: skip


@pytest.mark.parametrize(("args", "message", "hint"), MISUSES, ids=[" ".join(args) for args, *_ in MISUSES])
def test_misuse_is_exit_2_with_a_message_and_a_hint(args: tuple[str, ...], message: str, hint: str | None) -> None:
    ran = cli(*args)
    first, *rest = ran.stderr.splitlines()
    assert (ran.status, ran.stdout) == (2, "")
    assert first.startswith("Error: ")
    assert message in first
    assert not first.endswith(".")
    assert any(line.startswith("Hint: ") for line in rest)
    assert hint is None or rest[-1] == f"Hint: {hint}"


@pytest.mark.parametrize(("args", "message", "hint"), MISUSES, ids=[" ".join(args) for args, *_ in MISUSES])
def test_misuse_is_one_document_when_documents_were_asked_for(
    args: tuple[str, ...], message: str, hint: str | None
) -> None:
    ran = cli("--output", "json", *args)
    assert (ran.status, ran.stderr) == (2, "")
    assert ran.error["code"] == "invalid_request"
    assert message in ran.error["message"]
    assert hint is None or ran.error["hint"] == hint


def test_a_log_without_an_end_is_no_document() -> None:
    assert "--follow cannot be combined" in cli("logs", "a", "-f", "-o", "json").error["message"]


def test_the_field_that_is_wrong_is_named() -> None:
    assert cli("-o", "json", "create", "x", "--repo", "oops").error["errors"] == [
        {"field": "repo", "message": "Repository 'oops' is not allowed"}
    ]
    assert cli("-o", "json", "remove", "x", "--drain", "--timeout", "?").error["errors"][0]["field"] == "timeout"


def test_a_yaml_error_is_yaml() -> None:
    assert yaml.safe_load(cli("--output=yaml", "status", "nobody").stdout)["error"]["code"] == "runner_not_found"


@pytest.mark.parametrize(
    ("args", "output"),
    [
        ((), "table"),
        (("--output", "json", "creat"), "json"),
        (("--output=yaml",), "yaml"),
        (("status", "x", "-o", "json"), "json"),
        (("status", "x", "-ojson"), "json"),
        (("status", "x", "-qo", "yaml"), "yaml"),
        (("-o", "json", "status", "-o", "name"), "name"),
        (("--output", "xml"), "table"),
        (("--output",), "table"),
        (("logs", "--", "--output=json"), "table"),
    ],
)
def test_the_wanted_form_is_found_without_parsing(args: tuple[str, ...], output: str) -> None:
    assert wanted_output(args) == output


# --- Errors of the core, bugs, interrupts ---


def test_an_error_of_the_core_keeps_its_code_and_exit_status() -> None:
    ran = cli("status", "nobody")
    assert (ran.status, ran.stdout) == (5, "")
    assert ran.stderr.splitlines()[0] == "Error: No runner is named 'nobody'"
    assert cli("-o", "json", "status", "nobody").error["code"] == "runner_not_found"


def test_field_errors_are_a_line_each_in_text() -> None:
    error = InvalidRequest(
        "Two things are wrong", errors=[FieldError("name", "is empty"), FieldError("repo", "is odd")]
    )
    assert text(error) == ["Error: Two things are wrong", "  name: is empty", "  repo: is odd"]


def test_when_to_try_again_is_told_to_people() -> None:
    limited = GitHubRateLimited("GitHub's rate limit is used up", retry_after=45)
    assert "Try again in 45 s" in text(limited)
    assert "    Try again in 45 s" in text(PartlyDone("1 of 2 failed", [("a", limited)], done=[]))


def test_each_of_several_failures_is_told_and_what_was_done_too() -> None:
    busy = RunnerBusy("Runner 'a' is running a job", hint="Wait")
    error = PartlyDone("1 of 2 failed", [("a", busy)], done=[{"name": "b"}])
    assert error.exit_code == 10
    assert text(error)[1] == "  a: Runner 'a' is running a job"
    assert document(error)["error"]["failures"] == [
        {"name": "a", "code": "runner_busy", "message": "Runner 'a' is running a job", "hint": "Wait"}
    ]
    assert document(error)["items"] == [{"name": "b"}]


def test_retry_after_is_told_to_scripts() -> None:
    assert document(RunnerBusy("Busy", retry_after=3.0))["error"]["retry_after"] == 3.0


@pytest.mark.parametrize("exc", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_is_exit_130(exc: BaseException) -> None:
    error = as_error(exc)
    assert (error.exit_code, error.code) == (130, "interrupted")


def test_a_bug_is_one_line_and_a_hint() -> None:
    error = as_error(ZeroDivisionError("a\nb"))
    assert (type(error), error.exit_code, error.code) == (RunnerctlError, 1, "internal_error")
    assert text(error) == [
        "Error: Internal error: ZeroDivisionError: a b",
        "Hint: Run it again with --verbose and report what it shows",
    ]


def test_verbose_shows_where_an_error_came_from() -> None:
    assert "Traceback" not in cli("status", "nobody").stderr
    shown = cli("--verbose", "status", "nobody").stderr
    assert "Traceback (most recent call last)" in shown
    assert "RunnerNotFound" in shown
    assert "Traceback" in cli("status", "nobody", "-v").stderr


def test_no_secret_is_told_in_any_form() -> None:
    token = "ghp_" + "a" * 36
    for form in ((), ("-o", "json"), ("-v", "-o", "yaml")):
        ran = cli(*form, "create", "x", "--repo", token)
        assert ran.status == 2
        assert token not in ran.stdout + ran.stderr
        assert "***" in ran.stdout + ran.stderr
    assert json.loads(cli("-o", "json", "status", f"Bearer {token}").stdout)["error"]["code"] == "invalid_request"


# --- Settings ---


def test_a_doubtful_variable_is_told_once_on_stderr() -> None:
    ran = cli("status", env={"RUNNERCTL_STATE_DIRR": "/x"})
    assert ran.status == 0
    assert ran.stderr.count("Warning: RUNNERCTL_STATE_DIRR is not a setting of runnerctl") == 1
    assert "did you mean RUNNERCTL_STATE_DIR?" in ran.stderr


@pytest.mark.parametrize("args", [("--quiet", "status"), ("status", "-q"), ("reap", "nothing")])
def test_quiet_and_reap_say_nothing(args: tuple[str, ...]) -> None:
    assert cli(*args, env={"RUNNERCTL_STATE_DIRR": "/x"}).stderr == ""


REMOTE = pytest.mark.parametrize("variable", ["RUNNERCTL_BASE_URL", "RUNNERCTL_SERVER"])


@REMOTE
@pytest.mark.parametrize(
    "args", [("status",), ("list",), ("create", "x", "--repo", "a/b"), ("remove", "--all", "--yes"), ("reconcile",)]
)
def test_where_another_server_is_named_nothing_is_done_here(
    variable: str, args: tuple[str, ...], tmp_path: Path
) -> None:
    ran = cli(*args, env={variable: "https://runners.example.com"})
    assert ran.status == 2
    assert f"Error: {variable} is set (environment), but commands cannot ask another server yet" in ran.stderr
    assert "did you mean" not in ran.stderr
    assert not (tmp_path / "state").exists()


@REMOTE
def test_what_always_means_this_host_is_done_all_the_same(variable: str, tmp_path: Path) -> None:
    env_file = tmp_path / "settings.env"
    # Without Landlock: what jobs can be kept from is found out by a process, which no unit test starts.
    env_file.write_text(f"{variable}=https://runners.example.com\nRUNNERCTL_LANDLOCK=false\n")
    assert cli("--env-file", str(env_file), "status").status == 2
    assert cli("--env-file", str(env_file), "config", "show").status == 0
    assert cli("--env-file", str(env_file), "reap", "nothing").status == 0
    assert (
        f"{variable} is set ({env_file}): other commands refuse to run"
        in cli("--env-file", str(env_file), "doctor", "--offline").stdout
    )


def test_reap_of_a_life_that_never_was_is_fine_and_silent() -> None:
    ran = cli("reap", "nothing")
    assert (ran.status, ran.stdout, ran.stderr) == (0, "", "")


def test_reap_does_not_bring_a_state_directory_back(tmp_path: Path) -> None:
    assert cli("reap", "row").status == 0
    assert not (tmp_path / "state").exists()


def test_reap_keeps_quiet_about_errors_unless_verbose(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    broken = {"RUNNERCTL_STATE_DIR": str(tmp_path / "file")}
    ran = cli("reap", "row", env=broken)
    assert (ran.status, ran.stdout, ran.stderr) == (2, "", "")
    assert "cannot be used" in cli("--verbose", "reap", "row", env=broken).stderr


def test_the_env_file_of_the_flag_counts(tmp_path: Path) -> None:
    (tmp_path / "mine.env").write_text("RUNNERCTL_START_TIMEOUT=7m\n")
    shown = cli("--env-file", "mine.env", "-o", "json", "config", "show").document["items"]
    assert next(item for item in shown if item["key"] == "start_timeout")["value"] == 420.0
    assert cli("--env-file", "nowhere.env", "status").status == 2
