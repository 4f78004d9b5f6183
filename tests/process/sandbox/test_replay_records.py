"""The sandbox takes what the real runner sends, and answers it as it was answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runnerctl.sandbox import Sandbox
from tests.support.sandboxes import records
from tests.support.sandboxes.replayer import Replayer


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Sandbox]:
    archive = tmp_path / "runner.tar.gz"
    archive.write_bytes(b"a package")
    action = tmp_path / "js"
    action.mkdir()
    (action / "action.yml").write_text('{"name": "js", "runs": {"using": "node24", "main": "main.js"}}')
    with Sandbox(archive=archive, strict=True, poll_seconds=1.0, actions={"octo/js": action}) as sandbox:
        yield sandbox


@pytest.mark.parametrize("name", records.NAMES)
def test_every_request_of_the_real_runner_is_answered_as_it_was(strict, name):
    replayer = Replayer(sandbox=strict, name=name)
    with closing(replayer):
        replayer.replay()
    assert replayer.replayed == list(records.record(name))
    assert strict.violations == []


def test_all_that_was_recorded_is_replayed():
    assert len(records.NAMES) == 16
    assert len(records.all_calls()) == 433
