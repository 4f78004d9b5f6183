"""What comes out of a Listener's pipe, which a job can write to as well: clean lines, and a record that stays small."""

from __future__ import annotations

import importlib
import itertools
import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runnerctl.supervisor
from tests.support.places import MEMORY

SECRET = "ghs_" + "s3cretSECRET" * 4
LONGEST = 8 * 1024 + len(" […]")
"""Bytes of a line before they become characters."""
WIDEST = 4
"""What a byte can become: ``\\x1b``."""

SAYINGS = (
    "2026-11-24 03:57:14Z: Listening for Jobs", "2026-11-24 03:57:14Z: Running job: build",
    "2026-11-24 03:57:14Z: Job build completed with result: Succeeded", "Exiting...",
    "2026-11-24 03:57:14Z: Runner connect error: x. Retrying until reconnected.",
    "2026-11-24 03:57:14Z: Runner reconnected.", "An error occurred: no", "Failed to create a session. x",
    "Couldn't find a valid ICU package installed on the system.", "The runner no longer exists on the server.",
    "Generate and execute update script.", "2026-11-24 03:57:14Z: Job  completed with result: ",
    "2026-11-24 03:57:14Z: Running job: ", "-----BEGIN RSA PRIVATE KEY-----", f"token {SECRET}", "\x1b]0;x\x07",
    "\x9b2J", "\u2028", "\u202e", "\r", "\x00",
)  # fmt: skip
sayings = st.sampled_from(SAYINGS).map(str.encode)
output = st.lists(
    st.one_of(sayings, st.binary(max_size=30), st.just(b"\n"), st.integers(1, 20_000).map(lambda size: b"x" * size)),
    max_size=12,
).map(b"".join)


@pytest.fixture(scope="module")
def ours() -> Any:
    """The supervisor's modules, which are top-level ones where it runs."""
    directory = str(Path(runnerctl.supervisor.__file__).parent)
    sys.path.insert(0, directory)
    try:
        names = ("lines", "progress", "record", "origin", "exits", "processes")
        return SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(directory)


def read(ours: Any, said: bytes, cuts: list[int]) -> list[str]:
    splitter = ours.lines.LineSplitter()
    places = sorted({0, len(said), *(cut % (len(said) + 1) for cut in cuts)})
    whole = [splitter.feed(said[start:end]) for start, end in itertools.pairwise(places)]
    return [line for each in [*whole, splitter.end()] for line in each]


@given(said=output, cuts=st.lists(st.integers(min_value=0), max_size=6))
def test_whatever_is_said_comes_out_as_clean_short_lines_without_secrets(
    ours: Any, said: bytes, cuts: list[int]
) -> None:
    for line in read(ours, said, cuts):
        assert len(line) <= LONGEST * WIDEST
        assert not [each for each in line if (ord(each) < 32 and each != "\t") or 127 <= ord(each) < 160]
        assert SECRET not in line
        ours.lines.understand(line)


@given(said=output, cuts=st.lists(st.integers(min_value=0), max_size=6))
def test_short_lines_are_the_same_in_whatever_pieces_they_come(ours: Any, said: bytes, cuts: list[int]) -> None:
    short = b"\n".join(each[:100] for each in said.split(b"\n"))
    assert read(ours, short, cuts) == read(ours, short, [])


said_at_once = st.lists(st.one_of(st.sampled_from(SAYINGS), st.text(max_size=300)), max_size=3)
steps = st.lists(st.tuples(said_at_once, st.booleans()), min_size=1, max_size=20)
"""What is said, and whether a Worker lives then."""


@given(steps=steps, ephemeral=st.booleans())
def test_no_line_ends_a_job_whose_worker_lives_and_the_record_stays_small(
    ours: Any, steps: list[tuple[list[str], bool]], ephemeral: bool
) -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY) as top:
        me = ours.processes.Process(pid=1, name="x", state="S", parent=0, start_ticks=1)
        record = ours.record.Record(top, life="1", boot_id="b", supervisor=me)
        progress = ours.progress.Progress(
            record, ours.exits.RestartCounter(), ours.origin.Origins(top), {}, ephemeral=ephemeral
        )
        for said, working in steps:
            ended = len(record.jobs)
            events = [event for line in said if (event := ours.lines.understand(line)) is not None]
            progress.take(events, working=working)
            progress.settle(working=working)
            if working:
                assert len(record.jobs) <= ended + sum(event.kind == ours.lines.RUNNING for event in events)
                assert record.phase in {ours.record.BUSY, ours.record.STOPPING} or record.job is None
            record.save()
        assert Path(top, "supervisor.json").stat().st_size < 64 * 1024
        json.loads(Path(top, "supervisor.json").read_text())


origin_names = st.sampled_from(["repository", "run_id", "workflow", "x", ""])
origin_lines = st.tuples(origin_names, st.sampled_from("=\n "), st.text(max_size=300)).map("".join)


@given(text=st.lists(origin_lines).map("\n".join))
def test_what_a_job_says_of_its_origin_is_short_and_on_one_line(ours: Any, text: str) -> None:
    said = ours.origin._parsed(text) or {}
    assert set(said) <= set(ours.origin.NAMES)
    assert all(0 < len(value) <= 200 and "\n" not in value and "\x1b" not in value for value in said.values())
