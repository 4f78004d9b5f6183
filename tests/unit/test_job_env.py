"""Variables that an operator gives to jobs: which there may be, where they come from, what a runner makes of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from runnerctl.core.access.grants import TokenLimits
from runnerctl.core.backends.base import StopLadder
from runnerctl.core.backends.launch_document import LaunchOptions
from runnerctl.core.backends.place import Place, place_of
from runnerctl.core.domain import job_env
from runnerctl.core.domain.errors import BackendFailed, ConfigInvalid, Forbidden, InvalidRequest
from runnerctl.core.domain.models import RunnerSpec, Scope
from runnerctl.core.engine.operations import replacing
from runnerctl.core.host import job_hooks
from runnerctl.core.services import Services
from runnerctl.core.settings import job_variables
from runnerctl.core.settings import load as settings
from runnerctl.core.settings.table import OF_LAUNCHES

ALLOWED = {
    "NODE_EXTRA_CA_CERTS": "/etc/ssl/our-ca.pem",
    "RUNNER_TOOL_CACHE": "/opt/tools",
    "HTTPS_PROXY": "http://proxy.example:3128",
    "no_proxy": "localhost,.example",
    "ACTIONS_RUNNER_HOOK_JOB_STARTED": "/opt/hooks/before.sh",
    "ACTIONS_RUNNER_HOOK_JOB_COMPLETED": "/opt/hooks/after.js",
    "DOCKER_HOST": "unix:///run/user/1000/docker.sock",
    "PATH": "/opt/node/bin:/opt/go/bin",
    "ACTIONS_RUNNER_ACTION_ARCHIVE_CACHE": "/opt/actions",
    "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
    "LANG": "de_DE.UTF-8",
    "GREETING": 'quoted "words", a tab\tand ümlauts = fine',
    "EMPTY": "",
}
REFUSED = {
    "RUNNERCTL_STATE_DIR": ("/x", "own settings"),
    "runnerctl_life": ("x", "own settings"),
    "GITHUB_WFA_RUNNER_SERVER__BIND": ("x", "own settings"),
    "GHWFAX__SERVER__BIND": ("x", "own settings"),
    "GITHUB_APP_ID": ("1", "own settings"),
    "GITHUB_APP_PRIVATE_KEY": ("x", "a secret"),
    "GITHUB_PAT": ("x", "a secret"),
    "GITHUB_WFA_RUNNER_SERVER__API_TOKEN": ("x", "a secret"),
    "GITHUB_TOKEN": ("x", "a secret"),
    "ACTIONS_RUNNER_INPUT_URL": ("x", "controls the runner"),
    "Actions_Runner_Input_Token": ("x", "controls the runner"),
    "RUNNER_ALLOW_RUNASROOT": ("1", "controls the runner"),
    "ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED": ("1", "controls the runner"),
    "ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT": ("1", "controls the runner"),
    "GITHUB_ACTIONS_RUNNER_TLS_NO_VERIFY": ("1", "controls the runner"),
    "RUNNER_WAIT_FOR_DOCKER_IN_SECONDS": ("9", "run.sh"),
    "GITHUB_REPOSITORY": ("o/r", "set by the runner"),
    "RUNNER_TRACKING_ID": ("0", "set by the runner"),
    "ACTIONS_RUNTIME_URL": ("x", "set by the runner"),
    "HOME": ("/root", "every runner has its own"),
    "TMPDIR": ("/tmp", "every runner has its own"),
    "LD_PRELOAD": ("/x.so", "other code"),
    "LD_LIBRARY_PATH": ("/x", "other code"),
    "BASH_ENV": ("/x", "other code"),
    "ENV": ("/x", "other code"),
    "DOTNET_STARTUP_HOOKS": ("/x.dll", "other code"),
    "DOTNET_GCName": ("x.so", "other code"),
    "DOTNET_GCPath": ("/x.so", "other code"),
    "1X": ("x", "not the name of a variable"),
    "A-B": ("x", "not the name of a variable"),
    "A B": ("x", "not the name of a variable"),
    "": ("x", "not the name of a variable"),
    "X" * 200: ("x", "not the name of a variable"),
    "MULTIPLE": ("a\nACTIONS_RUNNER_HOOK_JOB_STARTED=", "one line"),
    "CARRIAGE": ("a\rb", "one line"),
    "NUL": ("a\0b", "one line"),
    "SEPARATOR": ("a\u2028b", "one line"),
    "HALF": ("a\udc80", "one line"),
    "LONG": ("x" * 9000, "9000 characters"),
    "KEY": ("ghp_" + "a" * 36, "looks like a secret"),
    "PROXY": ("http://user:secret@proxy:3128", "looks like a secret"),
    "PATH": ("/opt/bin:$PATH", "absolute"),
    "ACTIONS_RUNNER_HOOK_JOB_STARTED": ("before.sh", "absolute path of a script"),
    "ACTIONS_RUNNER_HOOK_JOB_COMPLETED": ("/opt/after", "absolute path of a script"),
    "FLAG": (True, "put it in quotes"),
    "NOTHING": (None, "put it in quotes"),
    "SHARE": (1.10, "put it in quotes"),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_jobs_may_be_given(name: str) -> None:
    assert job_env.checked({name: ALLOWED[name]}) == {name: ALLOWED[name]}


def test_a_whole_number_is_text() -> None:
    assert job_env.checked({"PORT": 8080}) == {"PORT": "8080"}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_and_why(name: str) -> None:
    value, why = REFUSED[name]
    with pytest.raises(InvalidRequest, match=why) as refused:
        job_env.checked({"FINE": "1", name: value})
    assert [error.field for error in refused.value.errors] == ["env"]
    assert "ghp_" not in refused.value.message
    assert "user:secret" not in refused.value.message


@pytest.mark.parametrize("number", [(101, "x"), (60, "x" * 1000)], ids=["in number", "in all"])
def test_there_is_an_end_to_them(number: tuple[int, str]) -> None:
    count, value = number
    with pytest.raises(InvalidRequest):
        job_env.checked({f"X{each}": value for each in range(count)})


# --- Where they come from ---


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(tmp_path: Path, config: str = "", **environ: str) -> settings.Settings:
    (tmp_path / "env").write_text("")
    (tmp_path / "config.yaml").write_text(config)
    environ = {"RUNNERCTL_CONFIG": str(tmp_path / "config.yaml"), "RUNNERCTL_STATE_DIR": str(tmp_path), **environ}
    return settings.load(environ=environ, env_file=str(tmp_path / "env"))


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "job.env"
    path.touch(mode=0o644)
    path.write_text(text)
    return path


def test_the_config_file_has_a_map_and_the_environment_the_same_as_json(tmp_path: Path) -> None:
    config = "job_env:\n  PORT: 8080\n  GREETING: hello\n"
    assert load(tmp_path, config).job_env == {"PORT": "8080", "GREETING": "hello"}
    assert load(tmp_path, config, RUNNERCTL_JOB_ENV='{"PORT": "1"}').job_env == {"PORT": "1"}


@pytest.mark.parametrize(
    "config",
    [
        "job_env: {LD_PRELOAD: /x.so}",
        "job_env: {FLAG: true}",
        "job_env: [A, B]",
        "job_env: A=b",
        "job_env: {A: {B: c}}",
    ],
)
def test_a_map_that_no_job_could_get_is_refused_when_it_is_read(tmp_path: Path, config: str) -> None:
    with pytest.raises(ConfigInvalid, match="job_env") as refused:
        load(tmp_path, config)
    assert "{" not in refused.value.message.partition("cannot be used")[0]


def test_the_message_names_the_variable_and_shows_no_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        load(tmp_path, f"job_env: {{FINE: hello, KEY: ghp_{'a' * 36}}}")
    assert "KEY" in refused.value.message
    assert "hello" not in refused.value.message


def test_the_map_wins_over_the_file_which_is_read_each_time(tmp_path: Path) -> None:
    path = file(tmp_path, "A=of-the-file\nB='of the file'\n")
    loaded = load(tmp_path, "job_env: {A: of-the-map}", RUNNERCTL_JOB_ENV_FILE=str(path))
    assert job_variables.of(loaded) == {"A": "of-the-map", "B": "of the file"}
    path.write_text("C=$HOME\n")
    assert job_variables.of(loaded) == {"A": "of-the-map", "C": "$HOME"}


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = file(tmp_path, "A=1\n")
    path.chmod(mode)
    with pytest.raises(ConfigInvalid, match="written by others") as refused:
        job_variables.of(load(tmp_path, RUNNERCTL_JOB_ENV_FILE=str(path)))
    assert refused.value.hint == f"chmod go-w {path}"


def test_so_is_one_that_belongs_to_another_user(tmp_path: Path, as_root: None) -> None:
    path = file(tmp_path, "A=1\n")
    path.chmod(0o600)
    os.chown(path, 12345, 12345)
    with pytest.raises(ConfigInvalid, match="belongs to 12345"):
        job_variables.of(load(tmp_path, RUNNERCTL_JOB_ENV_FILE=str(path)))


@pytest.mark.parametrize("text", ["LD_PRELOAD=/x\n", "A=1\nno line\n", "A='b\nc'\n"])
def test_a_file_with_what_no_job_could_get_is_named(tmp_path: Path, text: str) -> None:
    path = file(tmp_path, text)
    with pytest.raises(ConfigInvalid) as refused:
        job_variables.of(load(tmp_path, RUNNERCTL_JOB_ENV_FILE=str(path)))
    assert str(path) in refused.value.message


def test_a_file_that_is_none_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "missing", tmp_path / "fifo", tmp_path):
        with pytest.raises(ConfigInvalid, match=str(path)):
            job_variables.of(load(tmp_path, RUNNERCTL_JOB_ENV_FILE=str(path)))


def test_a_relative_file_is_refused_for_it_is_read_from_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="absolute"):
        load(tmp_path, RUNNERCTL_JOB_ENV_FILE="job.env")


def test_whoever_starts_a_runner_again_does_so_with_the_same_settings(tmp_path: Path) -> None:
    """A supervisor's own child does, too, and knows the environment of its maker by this alone."""
    given = {
        "RUNNERCTL_JOB_ENV": '{"A": "1"}',
        "RUNNERCTL_JOB_ENV_FILE": str(file(tmp_path, "B=2\n")),
        "RUNNERCTL_FORK_GUARD": "true",
    }
    services = Services.open(load(tmp_path, GITHUB_PAT="x", **given))
    again = settings.load(environ=services.launching.reap_environment())
    services.close()
    for setting in OF_LAUNCHES:
        assert again.values[setting.key].value == services.settings.values[setting.key].value, setting.key
    assert job_variables.of(again) == {"A": "1", "B": "2"}


# --- What a runner makes of them ---


def options(tmp_path: Path, given: dict[str, str], **more: Any) -> LaunchOptions:
    return LaunchOptions(
        events=tmp_path / "events",
        ladder=StopLadder(),
        reap_argv=(),
        reap_environment={},
        user_agent="x/1",
        job_env=lambda: given,
        **more,
    )


def place(**more: Any) -> Place:
    known: dict[str, Any] = {"backend": "process", "runner_id": "abcdefghij", "name": "n", "root": Path("/r/n")}
    return Place(**{**known, "inode": None, "ephemeral": True, "user": None, **more})


def test_what_a_create_gave_wins_and_an_empty_value_takes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    monkeypatch.setenv("NO_PROXY", "localhost")
    made = options(tmp_path, {"A": "1", "B": "1", "PATH": "/opt/bin", "NO_PROXY": ""})
    found = made.environment(place(env={"B": "2", "HTTPS_PROXY": "", "LANG": "C"}))
    assert (found["A"], found["B"], found["LANG"]) == ("1", "2", "C")
    assert not {"HTTPS_PROXY", "NO_PROXY"} & found.keys()
    assert found["PATH"] == "/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert found["HOME"] == "/r/n/home"


def test_config_sh_which_holds_a_registration_token_gets_nothing_of_a_create_and_no_hooks(tmp_path: Path) -> None:
    made = options(tmp_path, {"A": "1", "ACTIONS_RUNNER_HOOK_JOB_STARTED": "/x.sh"})
    found = made.configuring_environment(place(env={"HTTPS_PROXY": "http://evil:1", "PATH": "/evil"}))
    assert found["A"] == "1"
    assert not {"HTTPS_PROXY", "ACTIONS_RUNNER_HOOK_JOB_STARTED"} & found.keys()
    assert "/evil" not in found["PATH"]


def test_a_handle_keeps_them_and_one_of_an_earlier_version_has_none() -> None:
    kept = place(env={"A": "1"})
    assert place_of(kept.handle).env == {"A": "1"}
    older = json.loads(kept.handle)
    del older["env"]
    assert place_of(json.dumps(older)).env == {}


def test_a_hook_that_is_no_shell_script_cannot_follow_ours(tmp_path: Path) -> None:
    assert job_hooks.started(tmp_path, guard=False, then="/opt/before.js") == "/opt/before.js"
    with pytest.raises(ConfigInvalid, match=r"before\.js"):
        job_hooks.started(tmp_path, guard=True, then="/opt/before.js")


def test_where_jobs_come_from_is_not_worth_a_runner_that_cannot_be_started(tmp_path: Path) -> None:
    (tmp_path / ".hooks").touch()  # no directory can be there
    assert job_hooks.started(tmp_path, guard=False, then="/opt/before.sh") == "/opt/before.sh"
    assert job_hooks.started(tmp_path, guard=False, then=None) is None
    with pytest.raises((ConfigInvalid, BackendFailed)):
        job_hooks.started(tmp_path, guard=True, then=None)


@pytest.mark.parametrize("name", sorted(job_env.HOOKS))
def test_no_token_sets_a_hook(name: str) -> None:
    limits = TokenLimits(tenant="acme", repositories=("acme/*",), labels=("linux",))
    spec = RunnerSpec.of(name="n", scope=Scope.of(repo="acme/w"), labels="linux", env={name: "/x.sh"})
    with pytest.raises(Forbidden, match="hooks around jobs are the host's"):
        limits.check_create(spec)


def test_the_row_keeps_them_and_a_runner_that_is_made_again_gets_them(tmp_path: Path) -> None:
    services = Services.open(load(tmp_path, GITHUB_PAT="x"))
    for name, env in (("with", {"A": "ü=1"}), ("without", {})):
        spec = RunnerSpec.of(name=name, scope=Scope.of(repo="acme/w"), labels="linux", env=env)
        services.store.admit(spec, root=tmp_path / name)
        runner = services.store.latest(name)
        assert runner is not None
        assert dict(runner.env) == env
        assert replacing._spec(runner).env == env
    services.close()


OF_THE_OPERATOR = [
    "PATH",
    "ACTIONS_RUNNER_REQUIRE_JOB_CONTAINER",
    "ACTIONS_RUNNER_CONTAINER_HOOKS",
    "NODE_OPTIONS",
    "OPENSSL_CONF",
    "OPENSSL_MODULES",
    "KRB5_CONFIG",
    "GIT_SSH_COMMAND",
    "PYTHONPATH",
    "PERL5OPT",
    "RUBYOPT",
    "JAVA_TOOL_OPTIONS",
    "DOTNET_ROOT",
    "node_options",
]


@pytest.mark.parametrize("name", OF_THE_OPERATOR)
def test_no_token_sets_what_hooks_and_the_runner_itself_run_by(name: str) -> None:
    """The operator may: it is the operator's host, and its hooks."""
    limits = TokenLimits(tenant="acme", repositories=("acme/*",), labels=("linux",))
    spec = RunnerSpec.of(name="n", scope=Scope.of(repo="acme/w"), labels="linux", env={name: "/x"})
    with pytest.raises(Forbidden, match="the host's to set"):
        limits.check_create(spec)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "NODE_EXTRA_CA_CERTS", "DOTNET_NOLOGO", "RUNNER_TOOL_CACHE", "A"])
def test_a_token_that_may_give_variables_gives_others(name: str) -> None:
    limits = TokenLimits(tenant="acme", repositories=("acme/*",), labels=("linux",))
    limits.check_create(RunnerSpec.of(name="n", scope=Scope.of(repo="acme/w"), labels="linux", env={name: "/x"}))
