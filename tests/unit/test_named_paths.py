"""What one file of the repository says of another holds: the files, modules and functions that it names are there.

A test whose file is named in the Makefile and is gone is a test that is never run, and nobody notices.
"""

from __future__ import annotations

import configparser
import importlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests import conftest
from tests.support.places import REPOSITORY

TOPS = ("runnerctl", "tests", "docs", "benchmarks", "contrib", "completions", "man", ".ci")
MADE = {".venv", ".venv-lowest", ".venv-pythons", "benchmarks/results.json"}
"""What may be missing: a checkout has it once it was made."""
ALSO_NAMED = ("Makefile", "setup.cfg", "setup.py", "ruff.toml", "README.md", "CHANGELOG.md", "LICENSE")


def _files() -> Iterator[Path]:
    for top in TOPS:
        yield from (path for path in (REPOSITORY / top).rglob("*") if "__pycache__" not in path.parts)
    yield from (REPOSITORY / name for name in ALSO_NAMED)


PATHS = sorted({*TOPS, *(str(path.relative_to(REPOSITORY)) for path in _files())})
SETUP = configparser.ConfigParser()
SETUP.read(REPOSITORY / "setup.cfg")

A_PATH = re.compile(rf"(?<![\w/.*-])(?:{'|'.join(map(re.escape, TOPS))})/[\w.*/-]*[\w*/]")
"""Below one of our directories, as text names it."""
A_FILE = re.compile(r"(?<![\w/.*<-])[\w.*-]+(?:/[\w.*-]+)*\.(?:py|md|sql|toml|cfg)\b")
A_MODULE = re.compile(r"(?<![\w./])(?:runnerctl|tests|benchmarks)(?:\.\w+)+")


def text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def is_there(name: str) -> bool:
    """A path from the top, a pattern of such paths, or the end of one, as a page shortens it."""
    name = name.rstrip("/").replace("NNNN", "*")
    if "*" in name:
        return any(fnmatch(path, name) or fnmatch(path, f"*/{name}") for path in PATHS)
    return name in MADE or any(path == name or path.endswith(f"/{name}") for path in PATHS)


def has_module(name: str) -> bool:
    path = REPOSITORY / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or path.is_dir()


def gone(page: str, names: Iterable[str], there: object = is_there) -> list[str]:
    """A sentence for each that is not there."""
    assert callable(there)
    return [f"{page} names {name}, which is not there" for name in sorted(set(names)) if not there(name)]


# --- Makefile and CI ---


def expanded(makefile: str) -> str:
    """With ``$(addprefix …)`` written out; what it has no value for stays as it is."""

    def written_out(call: re.Match[str]) -> str:
        return " ".join(call[1].strip() + word for word in call[2].split())

    return re.sub(r"\$\(addprefix ([^,()]+),([^()]*)\)", written_out, makefile.replace("\\\n", " "))


def test_names_are_put_together_as_make_does() -> None:
    assert expanded("A := tests/unit $(addprefix tests/e2e/test_, a.py \\\n\tb.py)").split() == [
        *("A", ":=", "tests/unit", "tests/e2e/test_a.py", "tests/e2e/test_b.py"),
    ]


def test_each_path_that_the_makefile_names_is_there() -> None:
    makefile = expanded(text("Makefile"))
    for variable in ("QUICK_TESTS", "LOWEST_TESTS", "E2E_TESTS"):
        (value,) = re.findall(rf"^{variable} := (.*)$", makefile, re.MULTILINE)
        assert len(value.split()) > 5
        assert gone(f"Makefile ({variable})", value.split(), lambda name: (REPOSITORY / name).exists()) == []
    named = [*A_PATH.findall(makefile), *re.findall(r"\*/[\w./*]+", makefile)]
    assert gone("Makefile", named) == []


def test_each_program_that_the_makefile_starts_is_there() -> None:
    named = set(re.findall(r"-m ((?:tests|benchmarks|runnerctl)[\w.]*)", text("Makefile")))
    assert len(named) > 4
    assert gone("Makefile", named, has_module) == []


def test_each_path_that_ci_names_is_there() -> None:
    named = A_PATH.findall(text(".ci/run"))
    assert len(named) > 3
    assert gone(".ci/run", named) == []


def test_each_module_that_takes_long_is_there() -> None:
    named = [f"test_{name}.py" for name in conftest.SLOWEST_FIRST]
    assert gone("tests/conftest.py", [*named, *A_PATH.findall(text("tests/conftest.py"))]) == []


# --- Settings of tools ---


@pytest.mark.parametrize("section", [name for name in SETUP if name.startswith("importlinter:contract")])
def test_each_module_of_an_import_contract_is_there(section: str) -> None:
    named = A_MODULE.findall("\n".join(SETUP[section].values()))
    assert named
    assert gone(f"setup.cfg [{section}]", named, has_module) == []


def test_each_file_that_a_package_brings_is_there() -> None:
    for package, patterns in SETUP["options.package_data"].items():
        top = REPOSITORY / package.replace(".", "/").replace("*", "runnerctl")
        found = re.split(r"[,\s]+", patterns.strip())
        below = [pattern if package != "*" else f"**/{pattern}" for pattern in found]
        assert gone(f"setup.cfg ({package})", below, lambda pattern, top=top: any(top.glob(pattern))) == []
    brought = " ".join(SETUP["options.data_files"].values()).split()
    assert gone("setup.cfg", brought, lambda pattern: any(REPOSITORY.glob(pattern))) == []
    assert gone("setup.cfg", ["README.md", *SETUP["metadata"]["license_files"].split()]) == []


def test_each_function_that_a_command_begins_with_is_there() -> None:
    entries = [line.partition("=")[2].strip() for line in SETUP["options.entry_points"]["console_scripts"].split("\n")]
    for module, _, function in (entry.partition(":") for entry in entries if entry):
        assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("name", ["ruff.toml", "runnerctl/supervisor/ruff.toml"])
def test_each_file_that_ruff_makes_an_exception_for_is_there(name: str) -> None:
    settings = tomllib.loads(text(name))
    named = [*settings.get("extend-exclude", []), *settings["lint"].get("per-file-ignores", {})]
    assert gone(name, named) == []
    if "extend" in settings:
        assert (REPOSITORY / name).parent.joinpath(settings["extend"]).exists()


# --- Pages, docstrings and comments ---

PAGES = [name for name in PATHS if name.endswith(".md") and not name.startswith("tests/")]


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    there = (REPOSITORY / page).parent
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", text(page))
    assert gone(page, links, lambda target: (there / target).exists()) == []


@pytest.mark.parametrize("page", PAGES)
def test_each_file_that_a_page_names_is_there(page: str) -> None:
    quoted = " ".join(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text(page), flags=re.M | re.S)))
    assert gone(page, [*A_PATH.findall(quoted), *A_FILE.findall(quoted)]) == []


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/contributing.md"])
def test_the_pages_about_the_tree_shorten_paths_and_name_nothing_else(page: str) -> None:
    named = re.findall(r"`([a-z_0-9]+(?:/[a-z_0-9]+)+/?(?:\.py)?)`", text(page))
    assert len(set(named)) > 15
    assert gone(page, named) == []


def test_each_directory_and_file_of_the_tree_that_is_drawn_is_there() -> None:
    (tree,) = re.findall(r"^```\n(runnerctl/cli/.*?)^```", text("docs/architecture.md"), re.MULTILINE | re.DOTALL)
    named = re.findall(r"(?<![\w/])\w+(?:/\w+)*(?:/(?!\w)|\.py\b)", tree)
    assert len(named) > 25
    assert gone("docs/architecture.md", named) == []


def test_each_of_our_files_that_any_other_file_names_is_there() -> None:
    """Its end says that it is a file; ``tests/data`` speaks of other repositories."""
    of_ours = re.compile(
        rf"(?<![\w/.*{{}}-])(?:{'|'.join(map(re.escape, TOPS))})/[\w.*/-]*\.(?:py|md|sql|toml|cfg|sh)\b"
    )
    here = str(Path(__file__).relative_to(REPOSITORY))
    found = []
    for name in PATHS:
        if name.startswith(("tests/data/", "completions/", "man/")) or name == here:
            continue
        if (REPOSITORY / name).suffix in {".py", ".cfg", ".toml", ".service", ".sh"}:
            found += gone(name, of_ours.findall(text(name)))
    assert found == []
