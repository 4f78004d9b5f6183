"""Real shells in terminals of their own: what the tabulator makes of a line, and what it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from runnerctl.cli.completing import SHELLS
from tests.support.front_ends.completing import RUNNERCTL, fill
from tests.support.front_ends.typing_shells import Typist
from tests.support.places import REPOSITORY

TOP = REPOSITORY
SCRIPTS = {"bash": "bash/runnerctl", "zsh": "zsh/_runnerctl", "fish": "fish/runnerctl.fish"}


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("typed")
    fill(top / "state")
    (top / "my key.pem").touch()
    (top / "keys").mkdir()
    (top / "keys" / "tls.pem").touch()
    (top / "broken.env").write_text("no setting\x00")
    return top


@pytest.fixture(scope="module", params=SHELLS)
def typist(request: pytest.FixtureRequest, top: Path) -> Iterator[Typist]:
    typist = Typist(request.param, {"HOME": str(top), "RUNNERCTL_STATE_DIR": str(top / "state")}, top)
    typist.run(f"source {TOP / 'completions' / SCRIPTS[request.param]}")
    yield typist
    typist.close()


COMPLETED = [
    # a command, an option, a choice
    ("runnerctl statu", "runnerctl status "),
    ("runnerctl package pr", "runnerctl package prune "),
    ("runnerctl create x --wai", "runnerctl create x --wait "),
    ("runnerctl create x --wait c", "runnerctl create x --wait completed "),
    ("runnerctl create x --wait=c", "runnerctl create x --wait=completed "),
    # an option before and after COMMAND
    ("runnerctl -o j", "runnerctl -o json "),
    ("runnerctl -o json statu", "runnerctl -o json status "),
    ("runnerctl -o json list --output=y", "runnerctl -o json list --output=yaml "),
    ("runnerctl list -qo n", "runnerctl list -qo name "),
    # what exists only here, also where the case differs
    ("runnerctl remove only-here-2", "runnerctl remove only-here-2 "),
    ("runnerctl remove only-here-1 o", "runnerctl remove only-here-1 only-here-2 "),
    ("runnerctl logs q", "runnerctl logs Quokka "),
    ("runnerctl token revoke ", "runnerctl token revoke web "),
    ("runnerctl create x --repo octo-org/w", "runnerctl create x --repo octo-org/web "),
    # odd words, in each kind of quoting
    ("runnerctl create x --labels gp", "runnerctl create x --labels gpu:a100 "),
    ("runnerctl create x --labels gpu:a", "runnerctl create x --labels gpu:a100 "),
    ("runnerctl create x --labels=gpu:a", "runnerctl create x --labels=gpu:a100 "),
    ("runnerctl create x --labels big", "runnerctl create x --labels big\\ box "),
    ("runnerctl create x --labels 'big", "runnerctl create x --labels 'big box' "),
    ('runnerctl create x --labels "big', 'runnerctl create x --labels "big box" '),
    ("runnerctl create x --labels linux,big", "runnerctl create x --labels linux,big\\ box "),
    ("runnerctl create x --labels it", "runnerctl create x --labels it\\'s "),
    ("runnerctl create x --labels quo", 'runnerctl create x --labels quote\\"mark '),
    ("runnerctl create x --labels '$d", "runnerctl create x --labels '$dollar' "),
    # paths
    ("runnerctl serve --tls-key my", "runnerctl serve --tls-key my\\ key.pem "),
    ("runnerctl serve --tls-key=my", "runnerctl serve --tls-key=my\\ key.pem "),
    ("runnerctl --env-file keys/t", "runnerctl --env-file keys/tls.pem "),
    # nothing to offer: the line stays as it is
    ("runnerctl nonsense ", "runnerctl nonsense "),
    ("runnerctl create nob", "runnerctl create nob"),
    ("runnerctl remove nobody", "runnerctl remove nobody"),
    ("runnerctl remove only-here-1 only-here-2 quokka only", "runnerctl remove only-here-1 only-here-2 quokka only"),
]


@pytest.mark.parametrize(("typed", "line"), COMPLETED, ids=[typed for typed, _ in COMPLETED])
def test_the_tabulator_completes_the_line(typist: Typist, typed: str, line: str) -> None:
    assert typist.type(f"{typed}\t").line == line


def test_a_quote_inside_of_quotes_is_quoted(typist: Typist) -> None:
    quoted = r"'it\'s'" if typist.shell == "fish" else r"'it'\''s'"
    assert typist.type("runnerctl create x --labels 'it\t").line == f"runnerctl create x --labels {quoted} "


class Shown(NamedTuple):
    typed: str
    words: dict[str, str]
    """What is listed, each with its description."""


SHOWN = [
    Shown("runnerctl remove only-here-", {"only-here-1": "idle, octo-org/web", "only-here-2": "stopped, octo-org/web"}),
    Shown(
        "runnerctl st", {"status": "Show the state of", "start": "Start a stopped runner", "stop": "Stop a runner but"}
    ),
    Shown(
        "runnerctl serve --tls-", {"--tls-cert": "TLS certificate and its chain", "--tls-key": "Private key of that"}
    ),
]
TABS = {"bash": "\t\t", "zsh": "\t", "fish": "\t"}
"""As many as show a list where nothing can be inserted."""


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.typed)
def test_a_list_has_descriptions_and_nothing_twice(typist: Typist, shown: Shown) -> None:
    screen = typist.type(f"{shown.typed}{TABS[typist.shell]}").screen
    for word, about in shown.words.items():
        # fish shortens what all words of a list begin with.
        assert len(re.findall(rf"{word[-4:]} *(?:-- |\()?{about}", screen)) == 1, screen


_EXPORT = {"bash": "export {name}='{value}'", "zsh": "export {name}='{value}'", "fish": "set -x {name} '{value}'"}
_UNSET = {"bash": "unset {name}", "zsh": "unset {name}", "fish": "set -e {name}"}


def test_a_broken_configuration_shows_nothing_in_the_line(typist: Typist, top: Path) -> None:
    typist.run(_EXPORT[typist.shell].format(name="RUNNERCTL_ENV_FILE", value=top / "broken.env"))
    try:
        seen = typist.type("runnerctl package verify 2\t")
        assert seen.line == "runnerctl package verify 2"
        assert "rror" not in seen.screen
        assert typist.type("runnerctl statu\t").line == "runnerctl status "
    finally:
        typist.run(_UNSET[typist.shell].format(name="RUNNERCTL_ENV_FILE"))


def test_a_program_that_is_called_by_its_path_is_completed(typist: Typist, top: Path) -> None:
    (top / "bin").mkdir(exist_ok=True)
    (top / "bin" / "runnerctl").unlink(missing_ok=True)
    (top / "bin" / "runnerctl").symlink_to(RUNNERCTL)
    assert typist.type("~/bin/runnerctl statu\t").line == "~/bin/runnerctl status "
    assert typist.type("bin/runnerctl statu\t").line == "bin/runnerctl status "
    assert typist.type(f"{RUNNERCTL} statu\t").line == f"{RUNNERCTL} status "


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("runnerctl create x --wait=c", "runnerctl create x --wait=completed "),
        ("runnerctl create x --labels gpu:a", "runnerctl create x --labels gpu:a100 "),
        ("runnerctl create x --labels=big", "runnerctl create x --labels=big\\ box "),
        ("runnerctl serve --tls-key=my", "runnerctl serve --tls-key=my"),  # bash itself completes no path there
    ],
)
def test_bash_may_cut_words_elsewhere(top: Path, typed: str, line: str) -> None:
    """Some people take ``=`` or ``:`` out of COMP_WORDBREAKS."""
    typist = Typist("bash", {"HOME": str(top), "RUNNERCTL_STATE_DIR": str(top / "state")}, top)
    typist.run(f"source {TOP / 'completions' / SCRIPTS['bash']}", "COMP_WORDBREAKS=${COMP_WORDBREAKS//[=:]/}")
    assert typist.type(f"{typed}\t").line == line
    typist.close()
