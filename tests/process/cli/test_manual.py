"""The manual: up to date, free of faults, complete, and readable at any width."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from runnerctl.cli import generated
from runnerctl.cli.completing.table import commands
from runnerctl.cli.main import COMMANDS, HIDDEN, root
from runnerctl.cli.manual import statuses, text, topics
from runnerctl.cli.manual.commands import examples
from runnerctl.cli.manual.page import Literal, Page, References
from runnerctl.core.settings.table import SETTINGS
from tests.support.front_ends.cli_running import cli, on_a_terminal
from tests.support.places import REPOSITORY

TOP = REPOSITORY
PAGES = {page.file_name: page for page in topics.pages(root)}
FILES = sorted(path for path in (TOP / "man").iterdir())
ALL = list(commands(root))
MADE = dict(generated.files())


def read(file: Path, *, width: int, by: str = "mandoc") -> str:
    """As it is shown on a terminal, without bold and underline."""
    argv = ["mandoc", "-T", "utf8", "-O", f"width={width}", str(file)] if by == "mandoc" else ["man", "-l", str(file)]
    environment = {"PATH": os.environ["PATH"], "MANWIDTH": str(width), "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return re.sub(r".\x08|\x1b\[[0-9;]*m", "", done.stdout)


# --- Up to date ---


@pytest.mark.parametrize(("path", "made"), MADE.items(), ids=list(MADE))
def test_a_generated_file_is_what_make_generate_writes(path: str, made: str) -> None:
    assert (TOP / path).read_text() == made, "stale: run `make generate`"


def test_no_generated_file_is_left_over() -> None:
    assert generated.stale(TOP, MADE) == []


def test_generating_writes_what_is_missing_and_removes_what_is_left_over(tmp_path: Path) -> None:
    (tmp_path / "man").mkdir()
    (tmp_path / "man" / "runnerctl-once.1").touch()
    generated.main(tmp_path)
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert made == set(MADE)


# --- Free of faults ---


def test_mandoc_finds_no_fault() -> None:
    argv = ["mandoc", "-T", "lint", *map(str, FILES)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    # It looks in the system's directories only; the next test looks in ours.
    assert [line for line in done.stdout.splitlines() if "referenced manual not found: Xr runnerctl" not in line] == []


@pytest.mark.parametrize("page", PAGES.values(), ids=list(PAGES))
def test_a_page_refers_to_pages_that_exist(page: Page) -> None:
    referred = [block.pages for section in page.sections for block in section.blocks if isinstance(block, References)]
    assert referred
    assert {f"{name}.{section}" for pages in referred for name, section in pages} <= set(PAGES)


# --- Readable ---


def too_long(shown: str, width: int) -> list[str]:
    """Lines that could have been broken."""
    body = shown.splitlines()[1:-1]  # the header and the footer are the formatter's
    return [line for line in body if len(line) > width and " " in line.strip() and line.strip() not in KEPT]


KEPT = {
    line.strip()
    for page in PAGES.values()
    for section in page.sections
    for block in section.blocks
    if isinstance(block, Literal)
    for line in block.text.splitlines()
}
"""Lines of files, which keep their form at any width."""


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_page_keeps_to_its_width(file: Path, width: int) -> None:
    shown = read(file, width=width)
    assert too_long(shown, width) == []
    assert not re.search(r"`|\\f|\\-|\\%|\\&", shown)


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize(
    "name", ["runnerctl.1", "runnerctl-create.1", "runnerctl-package.1", "runnerctl-exit-status.7"]
)
def test_man_shows_a_page_at_that_width(name: str, width: int) -> None:
    shown = read(TOP / "man" / name, width=width, by="man")
    assert too_long(shown, width) == []
    assert re.search(r"^SEE ALSO$", shown, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES.values(), ids=list(PAGES))
def test_plain_text_keeps_to_its_width_and_says_the_same(page: Page) -> None:
    narrow, wide = (text.shown(page, width=width, styled=False) for width in (40, 100))
    assert too_long(narrow, 40) == []
    assert narrow.partition("\n")[2].split() == wide.partition("\n")[2].split()
    words = re.sub(r"[—–]", "-", read(TOP / "man" / page.file_name, width=300)).split()
    assert [word for word in wide.split() if word not in words and "RUNNERCTL" not in word] == []


# --- Complete ---


@pytest.mark.parametrize(("path", "command"), ALL, ids=[path or "runnerctl" for path, _ in ALL])
def test_a_page_has_each_command_and_each_option_of_help(path: str, command: click.Command) -> None:
    name = f"runnerctl-{path.split(maxsplit=1)[0]}" if path else "runnerctl"
    shown = read(TOP / "man" / f"{name}.1", width=300)
    assert f"runnerctl {path}".strip() in shown
    helped = command.get_help(click.Context(command, info_name=path, help_option_names=["-h", "--help"]))
    options = set(re.findall(r"(?:^  |, | / )(--?[a-z][a-z-]*)", helped, re.MULTILINE))
    assert {"-h", "--help"} <= options
    for option in options:
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", shown), option


def test_every_command_has_a_page_and_is_on_the_first_one() -> None:
    shown = read(TOP / "man" / "runnerctl.1", width=300)
    for name in set(COMMANDS) - HIDDEN:
        assert f"runnerctl-{name}.1" in PAGES
        assert re.search(rf"^ +{name}\s+{re.escape(COMMANDS[name])}\.$", shown, re.MULTILINE)
        assert f"runnerctl-{name}(1)" in shown


def test_the_line_of_a_command_is_its_own(  # the first is known without importing the command
) -> None:
    for name, command in ALL:
        if name in COMMANDS:
            assert command.get_short_help_str(200).rstrip(".") == COMMANDS[name]


@pytest.mark.parametrize("page", [page for page in PAGES.values() if page.section == 1], ids=lambda page: page.name)
def test_a_page_of_a_command_has_all_its_sections_and_examples(page: Page) -> None:
    titles = [section.title for section in page.sections]
    assert titles[:2] == ["SYNOPSIS", "DESCRIPTION"]
    assert titles[-4:] == ["FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]
    (block,) = page.sections[-2].blocks
    assert len(block.lines) >= 2  # type: ignore[union-attr]


def test_every_setting_is_on_both_pages_and_every_code_on_the_third() -> None:
    env, yaml = (read(TOP / "man" / name, width=300) for name in ("runnerctl.env.5", "runnerctl.yaml.5"))
    for setting in SETTINGS:
        assert all(re.search(rf"\b{variable}\b", env) for variable in setting.variables)
        assert re.search(rf"^ +{re.escape(setting.key)}(\s|$)", yaml, re.MULTILINE)
    shown = read(TOP / "man" / "runnerctl-exit-status.7", width=300)
    assert set(statuses.codes()) == set(statuses.MEANINGS)
    for code, status in statuses.codes().items():
        assert re.search(rf"^ +{status} {code}$", shown, re.MULTILINE)


@pytest.mark.parametrize("line", [line for _, command in ALL for line in examples(command) if "runnerctl" in line])
def test_an_example_can_be_typed(line: str) -> None:
    """As far as the command line can be understood without doing it."""
    for words in re.split(r"\$\(|<\(|&&|\||;", line):
        if re.search(r"\brunnerctl ", words):
            _, _, typed = re.split(r"\s#|\s>", words)[0].partition("runnerctl ")
            parse(root, shlex.split(typed.rstrip(")")))


def parse(command: click.Command, words: list[str]) -> None:
    """Options, their choices and the commands of groups; not what values mean."""
    ctx = click.Context(command, info_name="runnerctl")
    options, rest, _ = command.make_parser(ctx).parse_args(words)
    for param in command.params:
        given = options.get(param.name or "")
        if isinstance(param.type, click.Choice) and given:
            assert ({given} if isinstance(given, str) else set(given)) <= set(param.type.choices)
    if isinstance(command, click.Group):
        _, inner, rest = command.resolve_command(ctx, rest)
        assert inner is not None
        parse(inner, rest)


# --- runnerctl help ---


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ((), "runnerctl.1"),
        (("create",), "runnerctl-create.1"),
        (("package", "fetch"), "runnerctl-package.1"),
        (("runnerctl-stop",), "runnerctl-stop.1"),
        (("env",), "runnerctl.env.5"),
        (("runnerctl.yaml",), "runnerctl.yaml.5"),
        (("exit-status",), "runnerctl-exit-status.7"),
    ],
    ids=str,
)
def test_help_shows_a_page(topic: tuple[str, ...], name: str) -> None:
    ran = cli("help", *topic, env={"COLUMNS": "80"})
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.stdout == text.shown(PAGES[name], width=80, styled=False)


def test_help_as_a_document() -> None:
    document = cli("help", "stop", "-o", "json").document
    assert document["page"] == "runnerctl-stop.1"
    assert "Stop the processes" in document["text"]


def test_help_about_nothing_we_know_names_what_is_near() -> None:
    ran = cli("help", "creat")
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.splitlines() == ["Error: There is no page about 'creat'", "Hint: Did you mean 'create'?"]


def test_help_is_paged_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "sed s,^,paged:,")
    status, shown = on_a_terminal("help", "stop", columns=60)
    assert status == 0
    assert all(line.startswith("paged:") for line in shown.splitlines())
    assert shown.replace("paged:", "").rstrip("\n") + "\n" == text.shown(
        PAGES["runnerctl-stop.1"], width=60, styled=False
    )
