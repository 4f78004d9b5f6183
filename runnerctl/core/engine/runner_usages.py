"""What runners take of this host: processors and memory, as their backends count them."""

from __future__ import annotations

from collections.abc import Sequence

from ..domain.errors import RunnerctlError
from ..domain.states import WITH_PROCESS
from ..domain.usage_document import RunnerUsage
from ..services import Services

MOST = 200
"""Runners of which that is told: to count one may be a walk through all processes."""


def runner_usages(services: Services) -> Sequence[RunnerUsage]:
    """Of the first runners that live; those of which nothing is counted are left out."""
    if services.whose.refusal is not None:
        return []
    found = []
    for runner in [each for each in services.store.live() if each.state in WITH_PROCESS][:MOST]:
        backend, handle = services.backends.reach(runner)
        try:
            usage = backend.usage(handle)
        except RunnerctlError:
            continue  # it cannot be seen now
        if usage is not None:
            found.append(RunnerUsage(runner.name, runner.tenant, round(usage.cpu_seconds, 2), usage.memory_bytes))
    return found
