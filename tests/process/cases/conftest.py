"""A host of its own for each case, with a local GitHub."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.sandbox import Sandbox
from tests.support.hosts.loopback import place

from .machine import Machine


@pytest.fixture
def github(archive: Path) -> Iterator[Sandbox]:
    """Where persistent runners can be made too, if we are root."""
    with Sandbox(**place(), archive=archive, poll_seconds=1) as running:
        yield running


@pytest.fixture
def machine(tmp_path: Path, package_dir: Path, github: Sandbox) -> Iterator[Machine]:
    """What still runs at the end of the test is killed."""
    made = Machine.make(tmp_path, package_dir=package_dir, github=github.environment(), token=secrets.token_hex(16))
    yield made
    made.close()
