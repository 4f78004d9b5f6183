"""What a job wrote of where it comes from is read with care: it is the job's own, and may be anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.hosts.supervised import Supervised, until

TOLD = "repository=acme/widgets\nrun_id=7\nrun_attempt=1\nworkflow=CI\n"


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Supervised]:
    made = Supervised(tmp_path / "made").started()
    yield made
    made.close()


def after_a_job(it: Supervised, write: Callable[[Path], object]) -> object:
    before = len(it.record["jobs"])
    it.job()
    write(it.root / ".job")
    it.job_ends()
    until(lambda: len(it.record["jobs"]) > before, what="its end")
    return it.record["last_job"]["origin"]


def test_what_was_written_is_told_while_it_runs_and_not_of_the_next(it: Supervised) -> None:
    it.job()
    (it.root / ".job").write_text(TOLD)
    told = {"repository": "acme/widgets", "run_id": "7", "run_attempt": "1", "workflow": "CI"}
    until(lambda: (it.record["job"] or {}).get("origin") == told, what="the origin")
    it.job_ends()
    until(lambda: it.record["last_job"], what="its end")
    assert after_a_job(it, lambda _: None) is None
    assert [job["origin"] for job in it.record["jobs"]] == [told, None]


def a_link(path: Path) -> None:
    path.with_name("other").write_text(TOLD)
    path.symlink_to("other")


def a_hard_link(path: Path) -> None:
    path.with_name("other").write_text(TOLD)
    path.hardlink_to(path.with_name("other"))


@pytest.mark.parametrize("write", [a_link, a_hard_link, os.mkfifo, Path.mkdir, Path.touch])
def test_what_is_no_file_of_its_own_is_not_read(it: Supervised, write: Callable[[Path], object]) -> None:
    assert after_a_job(it, write) is None


def test_what_it_says_is_cut_cleaned_and_masked(it: Supervised) -> None:
    token = "ghp_" + "a" * 36
    text = f"workflow=a\x1b[2J{token}\nrepository={'x' * 3000}\nrepository=second\nother=1\n" + "run_id=\n" + "y" * 9000
    assert after_a_job(it, lambda path: path.write_text(text)) == {
        "workflow": "a\\x1b[2J***",
        "repository": "x" * 200,
    }
