"""What two places must agree on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.core.domain import errors
from runnerctl.core.domain.errors import RunnerctlError
from runnerctl.core.settings.table import BY_KEY, SETTINGS
from runnerctl.core.settings.typed import Setting
from tests.support import lowest_versions
from tests.support.places import REPOSITORY

TOP = REPOSITORY
VENVS = {".venv", ".venv-lowest", ".venv-pythons"}
DOCS = {path.name: path.read_text() for path in (TOP / "docs").glob("*.md")}


def kinds(kind: type[RunnerctlError] = RunnerctlError) -> Iterator[type[RunnerctlError]]:
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from kinds(each)


@pytest.mark.parametrize("setting", SETTINGS, ids=list(BY_KEY))
def test_every_setting_is_documented_with_all_its_variables(setting: Setting) -> None:
    (row,) = re.findall(rf"^\| `{re.escape(setting.key)}` \|(.*)$", DOCS["settings.md"], re.MULTILINE)
    assert re.findall(r"`([A-Z_0-9]+)`", row)[: len(setting.variables)] == list(setting.variables)


def test_no_documented_setting_is_unknown() -> None:
    assert set(re.findall(r"^\| `([a-z_.0-9]+)` \|", DOCS["settings.md"], re.MULTILINE)) == set(BY_KEY)


@pytest.mark.parametrize("kind", sorted(kinds(), key=lambda kind: kind.__name__))
def test_every_error_is_documented_with_its_statuses(kind: type[RunnerctlError]) -> None:
    if "code" not in vars(kind) and kind.code == "internal_error":
        return  # an abstract one, such as Conflict
    (row,) = re.findall(rf"^\| `{kind.code}` \| (\d+) \| ([\d, ]+) \|", DOCS["errors.md"], re.MULTILINE)
    assert int(row[0]) == kind.exit_code
    assert str(kind.http_status) in row[1].split(", ")


def test_a_code_means_one_exit_status() -> None:
    seen: dict[str, set[int]] = {}
    for kind in kinds():
        if kind.code != "internal_error":
            seen.setdefault(kind.code, set()).add(kind.exit_code)
    assert {code: statuses for code, statuses in seen.items() if len(statuses) > 1} == {}


def test_every_lint_that_is_ignored_has_a_reason() -> None:
    lines = [line for path in (TOP / "runnerctl").rglob("*.py") for line in path.read_text().splitlines()]
    assert [line for line in lines if "# noqa" in line and not re.search(r"# noqa: [A-Z0-9, ]+ [-—] \S", line)] == []


def test_every_dependency_has_a_lowest_version_that_can_be_tested() -> None:
    assert {"click", "aiohttp", "pyjwt"} <= {line.partition("==")[0] for line in lowest_versions.constraints()}


def test_the_repository_names_no_machine_and_no_registry() -> None:
    here = re.compile(r"/root/|/work/|/tmp/rc\b")
    for path in TOP.rglob("*"):
        if path.is_file() and path.suffix in {".py", ".md", ".cfg", ".toml", ".sh"} and not VENVS & {*path.parts}:
            assert not (path.name != Path(__file__).name and here.search(path.read_text())), path


PROOFS = sorted(set(re.findall(r"`(tests/[a-z_0-9/]+\.py(?:::\w+)?)`", DOCS["security.md"])))


@pytest.mark.parametrize("named", PROOFS)
def test_a_test_that_shows_a_promise_of_security_is_there(named: str) -> None:
    path, _, name = named.partition("::")
    text = (TOP / path).read_text()
    assert f"def {name}(" in text if name else "def test_" in text


def test_promises_of_security_name_the_tests_that_show_them() -> None:
    promises = DOCS["security.md"].split("## Promises")[1].split("\n## ")[0]
    rows = [line for line in promises.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 20
    assert [row for row in rows if "`tests/" not in row] == []
