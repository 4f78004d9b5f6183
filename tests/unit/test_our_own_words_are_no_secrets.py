"""What we say ourselves goes through redaction with all else, and comes out as it was written."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from runnerctl.core.redact import redact
from tests.support.places import REPOSITORY

SHOWN = {"hint", "help", "detail", "message", "short_help"}


def sentences() -> Iterator[tuple[str, str]]:
    """Literals that are raised or shown, with the place of each."""
    for path in sorted((REPOSITORY / "runnerctl").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            shown = [word.value for word in node.keywords if word.arg in SHOWN]
            for value in [*node.args, *shown]:
                for literal in ast.walk(value):
                    if isinstance(literal, ast.Constant) and isinstance(literal.value, str) and " " in literal.value:
                        yield f"{path.relative_to(REPOSITORY)}:{literal.lineno}", literal.value


def test_no_sentence_of_ours_is_masked() -> None:
    places, ours = zip(*((place, text.replace("\n", " ")) for place, text in sentences()), strict=True)
    assert len(ours) > 500
    shown = redact("\n".join(ours)).split("\n")
    assert [(place, after) for place, before, after in zip(places, ours, shown, strict=True) if before != after] == []


@pytest.mark.parametrize("text", ["Authorization: Bearer TOKEN", "ghp_4GvwrF9R7dTyuB3H8npmIkyXNvAgs42GIazg"])
def test_what_looks_like_one_is(text: str) -> None:
    assert redact(text) != text
