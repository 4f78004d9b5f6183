"""``make audit``: the bill of materials says what runnerctl brings with it, and what must not be in there fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.places import REPOSITORY

PROGRAM = REPOSITORY / ".ci" / "sbom.py"


def written(file: Path, *, below: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROGRAM, file], capture_output=True, text=True, timeout=60, check=False, cwd=below
    )


def test_all_that_is_imported_is_declared_and_has_a_licence(tmp_path: Path) -> None:
    ran = written(tmp_path / "sbom.json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    document = json.loads((tmp_path / "sbom.json").read_text())
    names = {part["name"] for part in document["components"]}
    assert {"click", "aiohttp", "pyjwt", "cryptography"} <= names
    assert not {"pytest", "mypy", "pip-audit", "runnerctl"} & names, "what is only for tests is not brought along"
    assert all(part["licenses"] and part["purl"] for part in document["components"])


def test_an_import_that_is_not_declared_is_named(tmp_path: Path) -> None:
    package = tmp_path / "runnerctl"
    package.mkdir()
    (package / "new.py").write_text("def late():\n    import hypothesis\n")
    ran = written(tmp_path / "sbom.json", below=tmp_path)
    assert ran.returncode == 1
    assert "hypothesis is imported, and setup.cfg does not name hypothesis" in ran.stdout
