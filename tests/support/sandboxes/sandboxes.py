"""Sandboxes that take nothing but what the real runner sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runnerctl.sandbox import Sandbox

StartAt = Callable[[str, int], Sandbox]


@pytest.fixture
def strict_at(tmp_path: Path) -> Iterator[StartAt]:
    """One at a host and port."""
    archive = tmp_path / "runner.tar.gz"
    archive.write_bytes(b"a package")
    started: list[Sandbox] = []

    def start(host: str, port: int) -> Sandbox:
        started.append(Sandbox(host, port, archive=archive, strict=True, poll_seconds=10))
        started[-1].start()
        return started[-1]

    yield start
    for sandbox in started:
        sandbox.stop()
        assert sandbox.violations == []


@pytest.fixture
def strict(strict_at: StartAt) -> Sandbox:
    return strict_at("127.0.0.1", 0)
