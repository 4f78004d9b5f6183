"""Sandboxes for real processes: persistent runners can be made, and nothing passes that the real runner does not do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runnerctl.sandbox import Sandbox
from tests.support.hosts.loopback import place


@contextmanager
def strict_sandbox(**more: Any) -> Iterator[Sandbox]:
    """One where persistent runners can be made, which at its end has seen nothing that the real runner does not do."""
    sandbox = Sandbox(**{**place(), **more}, strict=True)
    with sandbox:
        yield sandbox
    assert sandbox.violations == []
