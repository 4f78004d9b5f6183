"""Sandboxes that take nothing but what the real runner sends."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from runnerctl.sandbox import Sandbox

StartAt = Callable[[str, int], Sandbox]
_TRIES = 50


def address() -> tuple[str, int]:
    """Where config.sh finds a sandbox: on port 80 of a loopback address of its own. That takes root, as do tests of
    persistent runners; others take any port."""
    if os.geteuid() != 0:
        return "127.0.0.1", 0
    for _ in range(_TRIES):
        host = f"127.{random.randint(64, 254)}.{random.randint(0, 254)}.{random.randint(2, 254)}"
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, 80))
            return host, 80
    raise OSError("No loopback address has a free port 80")


@contextmanager
def strict_sandbox(**more: Any) -> Iterator[Sandbox]:
    """One where persistent runners can be made, which at its end has seen nothing that the real runner does not do."""
    sandbox = Sandbox(*address(), strict=True, **more)
    with sandbox:
        yield sandbox
    assert sandbox.violations == []


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
