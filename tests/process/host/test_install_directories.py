"""Directories that `service install` finds: an empty one is taken over, what somebody's files are in is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.install.files import Directory
from runnerctl.install.steps import directory_steps, take

NOBODY = 65534


def wanted(path: Path) -> Directory:
    return Directory(path=path, mode=0o700, owner="nobody", group="nogroup")


def test_an_empty_one_of_roots_is_taken_over(as_root: None, tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.mkdir(mode=0o755)
    steps = list(directory_steps([wanted(path)]))
    assert [(step.action, step.target) for step in steps] == [("set mode and owner", str(path))]
    take(steps)
    seen = path.stat()
    assert (seen.st_uid, seen.st_mode & 0o7777) == (NOBODY, 0o700)
    assert list(directory_steps([wanted(path)])) == []


@pytest.mark.parametrize("name", ["runnerctl.db", ".hidden"])
def test_one_with_files_in_it_stays_whose_it_is(as_root: None, tmp_path: Path, name: str) -> None:
    path = tmp_path / "state"
    path.mkdir()
    (path / name).touch()
    with pytest.raises(ConfigInvalid, match="holds files of user 'root'"):
        list(directory_steps([wanted(path)]))
    assert path.stat().st_uid == os.geteuid()
