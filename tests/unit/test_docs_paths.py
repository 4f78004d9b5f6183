"""The pages that say where things are name files that are there."""

from __future__ import annotations

import re

import pytest

from tests.support.places import REPOSITORY

FILES = [str(path.relative_to(REPOSITORY)) for top in ("runnerctl", "tests") for path in (REPOSITORY / top).rglob("*")]


@pytest.mark.parametrize("page", ["architecture.md", "contributing.md"])
def test_each_file_that_a_page_names_is_there(page: str) -> None:
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_0-9]+(?:/[a-z_0-9]+)+/?(?:\.py)?)`", text))
    assert len(named) > 15
    assert [name for name in sorted(named) if not _is_there(name.rstrip("/"))] == []


def _is_there(name: str) -> bool:
    return any(path == name or path.endswith(f"/{name}") for path in FILES)
