"""What ``docs/states.md`` says; that the file is fresh is a test of all generated files."""

from __future__ import annotations

import pytest

from runnerctl import core
from runnerctl.core.domain.states import TRANSITIONS, RunnerState, may_follow
from runnerctl.core.engine.situation import Situation
from runnerctl.core.engine.table import TABLE, Section, Step

PAGE = core.states_page()
LINES = PAGE.splitlines()


@pytest.mark.parametrize("old", RunnerState)
@pytest.mark.parametrize("new", RunnerState)
def test_the_diagram_has_the_changes_that_the_store_allows_and_no_other(old: RunnerState, new: RunnerState) -> None:
    assert (f"    {old} --> {new}" in LINES) is may_follow(old, new)


def test_the_diagram_ends_where_a_life_ends() -> None:
    ends = {line.split()[0] for line in LINES if line.endswith("--> [*]")}
    assert ends == {str(state) for state, following in TRANSITIONS.items() if not following}


@pytest.mark.parametrize("section", [pytest.param(section, id=section.title) for section in TABLE])
def test_a_section_has_a_line_for_each_row_in_their_order(section: Section) -> None:
    number = TABLE.index(section) + 1
    lines = [line for line in LINES if line.startswith(f"| {number}.")]
    assert [line.split(" | ")[2:] for line in lines] == [[str(row.step), f"{row.why} |"] for row in section.rows]


@pytest.mark.parametrize("section", [pytest.param(section, id=section.title) for section in TABLE])
def test_rows_that_ask_for_different_things_say_different_things(section: Section) -> None:
    number = TABLE.index(section) + 1
    said = [line.split(" | ")[1] for line in LINES if line.startswith(f"| {number}.")]
    assert len(set(said)) == len(said)


def test_it_is_written_in_words_and_not_in_names_of_fields() -> None:
    table = PAGE.partition("## The next step")[2].partition("## Which module")[0]
    names = {field for field in Situation._fields if "_" in field} | {step.name for step in Step}
    assert {name for name in names if name in table.split()} == set()
    assert "frozenset" not in table
    assert "True" not in table
