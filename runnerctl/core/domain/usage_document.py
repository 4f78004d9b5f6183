"""What a runner has taken of its host, as a document."""

from __future__ import annotations

from typing import NamedTuple, TypedDict


class RunnerUsage(NamedTuple):
    name: str
    tenant: str | None
    cpu_seconds: float
    """Since its start."""
    memory_bytes: int


class RunnerUsageDocument(TypedDict):
    """What a runner has taken of the host."""

    name: str
    cpu_seconds: float
    """Since its start."""
    memory_bytes: int


def usage_document(usage: RunnerUsage) -> RunnerUsageDocument:
    return {"name": usage.name, "cpu_seconds": usage.cpu_seconds, "memory_bytes": usage.memory_bytes}
