"""What completion offers, without a shell: the program asked as the shells' scripts ask it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from runnerctl.cli.completing import SHELLS, bash, table, values, words
from runnerctl.cli.completing import state as completing_state
from runnerctl.cli.main import root
from runnerctl.cli.options import Word
from runnerctl.core.settings import load as settings
from tests.support.front_ends.completing import RUNNERCTL, Answer, ask, fill, make_busy, open_store

Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("host") / "state"
    fill(path)
    return path


@pytest.fixture
def environment(tmp_path: Path, state_dir: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "RUNNERCTL_STATE_DIR": str(state_dir)}


@pytest.fixture
def asked(environment: dict[str, str], tmp_path: Path) -> Ask:
    def ask_here(*typed: str, **more: str) -> Answer:
        answer = ask(*typed, env={**environment, **more}, cwd=tmp_path)
        assert (answer.status, answer.stderr) == (0, "")
        return answer

    return ask_here


# --- Words that never change ---

COMMANDS = list(table.commands(root))


def names_of(param: click.Parameter) -> list[str]:
    return [*param.opts, *param.secondary_opts]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_every_option_of_help_is_offered(shell: str) -> None:
    """In this process: the tree alone, as all shells ask the same."""
    from runnerctl.cli.completing import of

    completion = of(shell)
    for path, command in COMMANDS:
        typed = path.split()
        options = {name for param in command.params if isinstance(param, click.Option) for name in names_of(param)}
        offered = {item.value for item in completion.get_completions(typed, "-")}
        assert offered == options | {"-h", "--help"}, path
        if isinstance(command, click.Group):
            shown = {item.value for item in completion.get_completions(typed, "")}
            assert shown == {name.removeprefix(path).strip() for name, _ in COMMANDS if is_in(name, path)}


def is_in(name: str, path: str) -> bool:
    return name != path and name.rpartition(" ")[0] == path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("statu",), ["status"]),
        (("config", "v"), ["validate"]),
        (("create", "x", "--wai"), ["--wait"]),
        (("create", "x", "--wait", ""), ["none", "online", "completed"]),
        (("create", "x", "--wait", "o"), ["online"]),
        (("create", "x", "--wait=o"), ["--wait=online"]),
        (("-o", "y"), ["yaml"]),
        (("-qo", "y"), ["yaml"]),
        (("--output=y",), ["--output=yaml"]),
        (("-o", "json", "list", "--output", "n"), ["name"]),
        (("list", "-qo", "n"), ["name"]),
        (("list", "--state", "bu"), ["busy"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("rm", "--dr"), ["--drain"]),
        (("ls", "--state", "bu"), ["busy"]),
        (("token", "create", "x", "--scope", "runners:w"), ["runners:write"]),
        (("help", "exit"), ["exit-status"]),
        (("help", "cre"), ["create"]),
        (("help", "package", ""), ["fetch", "list", "prune", "verify"]),
        (("service", "install", "--backend", "p"), ["process"]),
        (("config", "show", "max_"), ["max_runners"]),
        (("config", "show", "max_runners", "state"), ["state_dir"]),
    ],
    ids=" ".join,
)
def test_what_may_come_next_is_offered(asked: Ask, typed: tuple[str, ...], offered: list[str]) -> None:
    assert asked(*typed).values == offered


@pytest.mark.parametrize(
    "typed",
    [
        ("nonsense", ""),
        ("config", "nonsense", ""),
        ("create", ""),
        ("create", "x", "--timeout", ""),
        ("create", "x", "--foreground=o"),
        ("create", "x", "--wait=-"),
        ("config", "validate", "x"),
        ("list", "--state", "nonsense"),
        ("--output", "nonsense", "li", ""),
    ],
    ids=" ".join,
)
def test_where_nothing_can_come_nothing_is_offered(asked: Ask, typed: tuple[str, ...]) -> None:
    assert asked(*typed).values == []


@pytest.mark.parametrize("typed", [("-o", "json", "list", "--"), ("list", "-o", "json", "--")])
def test_an_option_that_was_given_is_not_offered_again(asked: Ask, typed: tuple[str, ...]) -> None:
    offered = asked(*typed).values
    assert "--output" not in offered
    assert "--quiet" in offered


def test_an_option_that_may_be_repeated_is_offered_again_but_not_with_the_same_value(asked: Ask) -> None:
    typed = ("token", "create", "x", "--scope", "runners:read", "--scope")
    assert "--scope" in asked(*typed).values
    assert asked(*typed, "runners:").values == ["runners:write", "runners:env"]


def test_options_are_offered_where_no_argument_is_due(asked: Ask) -> None:
    assert "--repo" in asked("create", "x", "").values


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        (("serve", "--tls-key", "x"), "file"),
        (
            (
                "serve",
                "--tls-cert=x",
            ),
            "file",
        ),
        (("--env-file", ""), "file"),
    ],
)
def test_a_path_is_the_shells_to_complete(asked: Ask, typed: tuple[str, ...], kind: str) -> None:
    assert asked(*typed).kinds == [kind]


def test_commands_and_options_have_their_first_sentence_as_description(asked: Ask) -> None:
    assert asked("sto").described == {"stop": "Stop a runner but keep it installed"}
    assert asked("remove", "--dra").described == {"--drain": "Let a running job finish, then remove the runner"}


def test_static_words_import_nothing_but_clicks_own() -> None:
    code = "import sys; from runnerctl.cli.completing import answer; answer('bash_complete'); print(*sys.modules)"
    env = {"COMP_WORDS": "runnerctl\x1fcreate\x1f--", "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=30)
    ours = {name for name in done.stdout.splitlines()[-1].split() if name.startswith("runnerctl")}
    assert ours == {
        f"runnerctl{name}"
        for name in ("", ".cli", *(f".cli.completing{part}" for part in ("", ".bash", ".shells", ".tree", ".words")))
    }


def test_a_runners_name_needs_no_network_and_no_library(environment: dict[str, str], tmp_path: Path) -> None:
    code = "import sys; from runnerctl.cli.completing import answer; answer('bash_complete'); print(*sys.modules)"
    env = {**environment, "COMP_WORDS": "runnerctl\x1fremove\x1fonly-here-"}
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.startswith("plain,only-here-1\nplain,only-here-2\n")
    costly = {"requests", "aiohttp", "rich", "jwt", "yaml", "dotenv", "cryptography", "msgspec", "socket", "asyncio"}
    assert costly & {*done.stdout.splitlines()[-1].split()} == set()


# --- Words of this host ---


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("remove", "only"), ["only-here-1", "only-here-2"]),
        (("remove", ""), ["only-here-1", "only-here-2", "Quokka"]),
        (("remove", "only-here-1", "only"), ["only-here-2"]),
        (("remove", "--drain", "ONLY-here-2"), ["only-here-2"]),
        (("stop", "q"), ["Quokka"]),
        (("restart", "q"), ["Quokka"]),
        (("start", ""), ["only-here-2"]),
        (("logs", "go"), ["gone-1"]),
        (("status", ""), ["only-here-1", "only-here-2", "Quokka", "gone-1"]),
        (("create", "x", "--repo", ""), ["octo-org/old", "octo-org/web"]),
        (("create", "x", "--repo=octo-org/w"), ["--repo=octo-org/web"]),
        (("create", "x", "--org", ""), ["acme"]),
        (("create", "x", "--labels", "gp"), ["gpu:a100"]),
        (("create", "x", "--labels", "linux,self"), ["linux,self-hosted"]),
        (("create", "x", "--labels", "linux,li"), []),
        (("token", "revoke", ""), ["web"]),
        (("orphans", "clear", ""), ["1"]),
        (("orphans", "f"), ["forget"]),
        (("service", "print", "runnerctl-server."), ["runnerctl-server.service", "runnerctl-server.socket"]),
    ],
    ids=" ".join,
)
def test_what_exists_only_here_is_offered(asked: Ask, typed: tuple[str, ...], offered: list[str]) -> None:
    assert sorted(asked(*typed).values) == sorted(offered)


def test_runners_are_described_by_their_state(asked: Ask) -> None:
    assert asked("logs", "").described == {
        "only-here-1": "idle, octo-org/web",
        "only-here-2": "stopped, octo-org/web",
        "Quokka": "idle, acme",
        "gone-1": "failed, octo-org/old",
    }


def test_unpacked_packages_are_offered(asked: Ask, tmp_path: Path) -> None:
    (tmp_path / "packages" / "2.336.0-linux-x64").mkdir(parents=True)
    (tmp_path / "packages" / ".downloads").mkdir()
    assert asked("package", "verify", "", RUNNERCTL_PACKAGE_DIR=str(tmp_path / "packages")).values == ["2.336.0"]


def test_a_runner_that_another_process_is_only_now_writing_down_is_offered(asked: Ask, tmp_path: Path) -> None:
    """It is in the write-ahead log alone, as long as that process has the database open."""
    fill(tmp_path / "busy")
    store = open_store(tmp_path / "busy")
    try:
        make_busy(store)
        found = asked("status", "only-here-1", RUNNERCTL_STATE_DIR=str(tmp_path / "busy"))
        assert found.described == {"only-here-1": "busy, octo-org/web"}
    finally:
        store.close()


def test_every_kind_of_word_can_be_looked_up() -> None:
    kinds = {param.type.kind for _, command in COMMANDS for param in command.params if isinstance(param.type, Word)}
    assert kinds == set(values.FOUND)
    named = {kind for _, params, _ in words.COMMANDS.values() for _, kind, *_ in params}
    assert named - {"", "flag", "file", "dir"} == kinds


def test_an_option_takes_a_value_in_every_command_or_in_none() -> None:
    """``--option=`` is completed by the option's name alone."""
    options = [option for _, command in COMMANDS for option in command.params if isinstance(option, click.Option)]
    flags, valued = (
        {name for each in options if each.is_flag is flag for name in names_of(each)} for flag in (True, False)
    )
    assert flags & valued == set()


def test_the_env_file_of_the_line_counts(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mine.env").write_text(f"RUNNERCTL_STATE_DIR={environment.pop('RUNNERCTL_STATE_DIR')}\n")
    assert ask("--env-file", "mine.env", "stop", "q", env=environment, cwd=tmp_path).values == ["Quokka"]
    assert ask("--env-file=mine.env", "stop", "q", env=environment, cwd=tmp_path).values == ["Quokka"]
    assert ask("stop", "q", env=environment, cwd=tmp_path).values == []


# --- Hosts where something is wrong ---


def snapshot(top: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in (top, *top.rglob("*"))}


@pytest.mark.parametrize("closed", [True, False], ids=["no process has it open", "left by a crash"])
def test_completing_writes_nothing_into_the_state_directory(asked: Ask, tmp_path: Path, closed: bool) -> None:
    fill(tmp_path / "state")
    if not closed:  # what a process leaves that was killed
        store = open_store(tmp_path / "state")
        make_busy(store)
        left = {path.name: path.read_bytes() for path in (tmp_path / "state").iterdir() if path.is_file()}
        store.close()
        for name, content in left.items():
            (tmp_path / "state" / name).write_bytes(content)
    before = snapshot(tmp_path)
    state = "idle" if closed else "busy"
    found = asked("remove", "only-here-1", RUNNERCTL_STATE_DIR=str(tmp_path / "state"))
    assert found.described == {"only-here-1": f"{state}, octo-org/web"}
    assert snapshot(tmp_path) == before


TYPED = [("remove", ""), ("create", "x", "--repo", ""), ("token", "revoke", ""), ("status", "")]


@pytest.mark.parametrize("typed", TYPED, ids=" ".join)
def test_without_a_state_directory_nothing_is_offered_and_nothing_made(
    asked: Ask, tmp_path: Path, typed: tuple[str, ...]
) -> None:
    before = snapshot(tmp_path)
    assert asked(*typed, RUNNERCTL_STATE_DIR=str(tmp_path / "none")).values == []
    assert snapshot(tmp_path) == before


def broken(kind: str, top: Path) -> dict[str, str]:
    (top / "state").mkdir()
    (top / "state" / "runnerctl.db").write_bytes(b"no database\n" * 100)
    (top / "broken.env").write_text("RUNNERCTL_STATE_DIR\n= nonsense ===\n\x00")
    (top / "broken.yaml").write_text("state_dir: [unclosed\n")
    return {
        "env file": {"RUNNERCTL_ENV_FILE": str(top / "broken.env")},
        "missing env file": {"RUNNERCTL_ENV_FILE": str(top / "missing.env")},
        "config file": {"RUNNERCTL_CONFIG": str(top / "broken.yaml")},
        "database": {"RUNNERCTL_STATE_DIR": str(top / "state")},
        "state directory": {"RUNNERCTL_STATE_DIR": str(top / "broken.env")},
        "all of it": {
            "RUNNERCTL_ENV_FILE": str(top / "broken.env"),
            "RUNNERCTL_CONFIG": str(top / "broken.yaml"),
            "GITHUB_API_URL": "nonsense",
            "RUNNERCTL_START_TIMEOUT": "soon",
        },
    }[kind]


BROKEN = ["env file", "missing env file", "config file", "database", "state directory", "all of it"]


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("typed", [("remove", "only"), ("package", "verify", "")], ids=" ".join)
def test_with_a_broken_configuration_completion_is_silent(
    environment: dict[str, str], tmp_path: Path, kind: str, typed: tuple[str, ...]
) -> None:
    named = {name: value for name, value in environment.items() if name != "RUNNERCTL_STATE_DIR"}
    env = {**named, **broken(kind, tmp_path)}
    before = snapshot(tmp_path)
    answer = ask(*typed, env=env, cwd=tmp_path)
    assert (answer.status, answer.stderr, answer.values) == (0, "", [])
    assert ask("statu", env=env, cwd=tmp_path).values == ["status"]
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("question", ["bash", "bash_", "bash_nonsense", "tcsh_complete", ""])
def test_what_no_shell_asks_gets_no_answer(environment: dict[str, str], question: str) -> None:
    env = {**environment, "_RUNNERCTL_COMPLETE": question, "COMP_WORDS": "runnerctl\x1fs"}
    done = subprocess.run([RUNNERCTL], env=env, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@settings_of_hypothesis(max_examples=40, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" "), min_size=1))
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_what_bash_is_told_to_insert_means_the_value_whatever_is_in_it(quote: str, value: str) -> None:
    typed = f"printf %s {quote}{bash.quoted(value, quote)}{quote}"
    argv = ["bash", "--norc", "-c", typed]
    done = subprocess.run(argv, env={"LC_ALL": "C.UTF-8"}, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == value


# --- What two places must agree on ---

ENV_FILES = {
    "nothing": None,
    "other settings": "GITHUB_APP_ID=1\n",
    "the directory": "RUNNERCTL_STATE_DIR='{top}/by env file'  # quoted\n",
    "a config file": "RUNNERCTL_CONFIG={top}/config.yaml\n",
}


@pytest.mark.parametrize("text", ENV_FILES.values(), ids=ENV_FILES)
@pytest.mark.parametrize("configured", [False, True], ids=["no config file", "config file"])
@pytest.mark.parametrize("named", [False, True], ids=["no flag", "--env-file"])
def test_the_state_directory_is_the_one_that_commands_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, configured: bool, named: bool
) -> None:
    for name in [name for name in os.environ if name.startswith(("RUNNERCTL_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    (tmp_path / "config.yaml").write_text(f"state_dir: {tmp_path}/by config file\n")
    if configured:
        monkeypatch.setenv("RUNNERCTL_CONFIG", str(tmp_path / "config.yaml"))
    file = tmp_path / ("named.env" if named else ".env")
    file.write_text((text or "").format(top=tmp_path))
    file.chmod(0o600)
    env_file = str(file) if named else None
    assert completing_state.directory(env_file) == settings.load(env_file=env_file).state_dir
