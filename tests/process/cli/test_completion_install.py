"""Completion that is installed: a new shell has it, and an uninstall leaves nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runnerctl.cli.completing import SHELLS, installing, of
from tests.support.front_ends.cli_running import cli
from tests.support.front_ends.completing import RUNNERCTL, fill
from tests.support.front_ends.typing_shells import Typist
from tests.support.places import REPOSITORY

pytestmark = pytest.mark.long

TOP = REPOSITORY
ARGV = {"bash": ["bash", "-i"], "zsh": ["zsh", "-i"], "fish": ["fish", "-i"]}
STARTUP = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}
USUAL = {
    "bash": ". /usr/share/bash-completion/bash_completion\n",
    "zsh": "autoload -Uz compinit && compinit -D -u\n",
    "fish": "set -x EDITOR vi\n",
}
"""What many users have in their start-up files already."""


def as_an_ordinary_user(*args: str, home: Path) -> str:
    """Standard error of the command, which finds itself without root's rights."""
    other = ["unshare", "--user"] if os.geteuid() == 0 else []
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    argv = [*other, str(RUNNERCTL), *args]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=True).stderr


def files(home: Path) -> dict[str, str]:
    """All that is there, but what shells write for themselves."""
    own = (".local/share/fish", ".zcompdump", ".cache", ".bash_history")
    own += tuple(f".config/fish/{name}" for name in ("fish_variables", "conf.d", "functions"))
    found = {str(path.relative_to(home)): path for path in home.rglob("*")}
    return {
        name: path.read_text() if path.is_file() else "" for name, path in found.items() if not name.startswith(own)
    }


@pytest.mark.parametrize("shell", SHELLS)
def test_a_new_shell_completes_after_an_install_and_an_uninstall_leaves_nothing(shell: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / STARTUP[shell]).parent.mkdir(parents=True)
    (home / STARTUP[shell]).write_text(USUAL[shell])
    for name in (".local/share/other", ".config/other", ".config/fish/mine"):
        (home / name).mkdir(parents=True)
    before = files(home)
    fill(tmp_path / "state")

    said = as_an_ordinary_user("completion", shell, "--install", home=home)
    assert said.splitlines()[-1] == "Open a new shell to use it"
    environment = {"HOME": str(home), "RUNNERCTL_STATE_DIR": str(tmp_path / "state")}
    typist = Typist(shell, environment, tmp_path, ARGV[shell])
    assert typist.type("runnerctl remove only-here-2\t").line == "runnerctl remove only-here-2 "
    typist.close()

    installed = files(home)
    assert as_an_ordinary_user("completion", shell, "--install", home=home).startswith("Completion for")
    assert files(home) == installed
    as_an_ordinary_user("completion", shell, "--uninstall", home=home)
    assert files(home) == before
    assert "is not installed" in as_an_ordinary_user("completion", shell, "--uninstall", home=home)


@pytest.mark.parametrize("shell", SHELLS)
def test_into_an_empty_home_and_out_again(shell: str, tmp_path: Path) -> None:
    where = installing.place(shell, system_wide=False, environ={}, home=tmp_path)
    written = installing.install(where, of(shell).source())
    assert all(path.is_file() for path in written)
    assert where.script.read_text() == of(shell).source()
    assert installing.uninstall(where) == written
    assert list(tmp_path.iterdir()) == []


def test_where_no_package_loads_completions_bash_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "_BASH_COMPLETION", tmp_path / "not installed")
    home = tmp_path / "it's home"
    home.mkdir()
    (home / ".bashrc").write_text("alias ll='ls -l'")  # without a line's end
    where = installing.place("bash", system_wide=False, environ={}, home=home)
    installing.install(where, of("bash").source())
    typist = Typist("bash", {"HOME": str(home)}, tmp_path, ["bash", "-i"])
    assert typist.type("runnerctl statu\t").line == "runnerctl status "
    assert "ls -l" in typist.run("alias ll")
    typist.close()
    installing.uninstall(where)
    assert files(home) == {".bashrc": "alias ll='ls -l'\n"}


@pytest.mark.parametrize(
    ("shell", "named", "script"),
    [
        ("bash", {"XDG_DATA_HOME": "/x/data"}, "/x/data/bash-completion/completions/runnerctl"),
        ("bash", {"BASH_COMPLETION_USER_DIR": "/x/bash"}, "/x/bash/completions/runnerctl"),
        ("zsh", {"XDG_DATA_HOME": "/x/data"}, "/x/data/zsh/site-functions/_runnerctl"),
        ("fish", {"XDG_CONFIG_HOME": "/x/config"}, "/x/config/fish/completions/runnerctl.fish"),
    ],
)
def test_a_users_own_directories_count(shell: str, named: dict[str, str], script: str) -> None:
    where = installing.place(shell, system_wide=False, environ=named, home=Path("/home/me"))
    assert where.script == Path(script)


@pytest.mark.parametrize("shell", SHELLS)
def test_root_installs_for_all_users(as_root: None, shell: str, tmp_path: Path) -> None:
    """On this machine, but in a /usr/local/share of its own."""
    script = (
        'umask 077 && mount -t tmpfs -o mode=755 none /usr/local/share && runnerctl completion "$1" --install'
        " && find /usr/local/share -type f -perm 644 && find /usr/local/share -type d ! -perm 755"
        ' && runnerctl completion "$1" --uninstall && ls -A /usr/local/share'
    )
    environment = {"PATH": f"{RUNNERCTL.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    argv = ["unshare", "--mount", "sh", "-ec", script, "-", shell]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("ACTION")]
    path = {
        "bash": "/usr/local/share/bash-completion/completions/runnerctl",
        "zsh": "/usr/local/share/zsh/site-functions/_runnerctl",
        "fish": "/usr/local/share/fish/vendor_completions.d/runnerctl.fish",
    }[shell]
    assert lines == [f"wrote\t{path}", path, f"removed\t{path}"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_without_a_flag_the_script_is_printed(shell: str) -> None:
    assert cli("completion", shell).stdout == of(shell).source()
    assert cli("-o", "json", "completion", shell).document == {"shell": shell, "script": of(shell).source()}


def test_a_home_that_cannot_be_written_is_a_message_and_not_a_bug(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}
    other = ["unshare", "--user"] if os.geteuid() == 0 else []
    argv = [*other, str(RUNNERCTL), "completion", "fish", "--install"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not a directory" in done.stderr


# --- The wheel ---


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as pip installs it into a prefix."""
    top = tmp_path_factory.mktemp("wheel")
    unneeded = shutil.ignore_patterns(".*", "build", "tests", "benchmarks", "*.egg-info", "__pycache__")
    shutil.copytree(TOP, top / "source", ignore=unneeded)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", top, top / "source"], check=True, timeout=300)
    (wheel,) = top.glob("*.whl")
    subprocess.run(
        [*pip, "install", "--no-deps", "--ignore-installed", "--prefix", top / "prefix", wheel], check=True, timeout=300
    )
    return top / "prefix"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_finds_what_the_wheel_brings(shell: str, prefix: Path, tmp_path: Path) -> None:
    (tmp_path / STARTUP[shell]).parent.mkdir(parents=True, exist_ok=True)
    fpath = f"fpath=({prefix}/share/zsh/site-functions $fpath)\n" * (shell == "zsh")
    (tmp_path / STARTUP[shell]).write_text(fpath + USUAL[shell])
    environment = {"HOME": str(tmp_path), "XDG_DATA_DIRS": f"{prefix}/share:/usr/local/share:/usr/share"}
    typist = Typist(shell, environment, tmp_path, ARGV[shell])
    assert typist.type("runnerctl statu\t").line == "runnerctl status "
    typist.close()


def test_man_finds_what_the_wheel_brings(prefix: Path, tmp_path: Path) -> None:
    """By the directory of the program, as man-db does: bin beside share."""
    environment = {"PATH": f"{prefix / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path)}
    for name, section in (
        ("runnerctl", 1),
        ("runnerctl-create", 1),
        ("runnerctl.env", 5),
        ("runnerctl-exit-status", 7),
    ):
        done = subprocess.run(
            ["man", "-w", name], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout.strip() == f"{prefix}/share/man/man{section}/{name}.{section}"


def test_every_generated_file_is_in_the_wheel(prefix: Path) -> None:
    there = {path.name for path in (prefix / "share").rglob("*") if path.is_file()}
    assert there == {path.name for name in ("man", "completions") for path in (TOP / name).rglob("*") if path.is_file()}
