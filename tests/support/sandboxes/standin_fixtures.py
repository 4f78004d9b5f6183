"""Fixtures around one stand-in runner; test modules ask for them with ``pytest_plugins``."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runnerctl.core.packages.unpack import unpack
from runnerctl.standin.archive import build_archive
from tests.support.sandboxes.scripted_broker import ScriptedBroker, serving
from tests.support.sandboxes.standin import PACE, STAMP, VERSION, StandIn


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("package")
    (directory / "unpacked").mkdir()
    unpack(build_archive(directory / "runner.tar.gz", version=VERSION, pace=PACE), directory / "unpacked")
    return directory / "unpacked"


@pytest.fixture
def runner(package: Path, tmp_path: Path) -> Iterator[StandIn]:
    shutil.copytree(package, tmp_path / "runner", symlinks=True)
    standin = StandIn(tmp_path / "runner")
    yield standin
    standin.close()


@pytest.fixture
def broker() -> Iterator[ScriptedBroker]:
    with serving(ScriptedBroker()) as broker:
        yield broker


@pytest.fixture
def listening(runner: StandIn, broker: ScriptedBroker) -> Callable[..., StandIn]:
    def start(*, settings: dict[str, str] | None = None, **environment: str) -> StandIn:
        blob = broker.jitconfig(**(settings or {}))
        runner.start("run", ACTIONS_RUNNER_INPUT_JITCONFIG=blob, **environment)
        runner.line(STAMP + "Listening for Jobs")
        return runner

    return start
