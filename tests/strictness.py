"""Sandboxes for real processes: persistent runners can be made, and nothing passes that the real runner does not do."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from runnerctl.sandbox import Sandbox

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
