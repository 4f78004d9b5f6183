"""What a runner may take of the host, as files of its own cgroup (v2). Never RLIMIT_AS: .NET reserves far more
memory than it uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from ..host import cgroups

if TYPE_CHECKING:
    from ..settings.table import LimitsSection

_PERIOD = 100_000
"""Microseconds in which a runner may use its share of the processors."""


class CgroupLimit(NamedTuple):
    """A setting, and what is written where to enforce it."""

    key: str
    controller: str
    file: str
    value: str


def asked(settings: LimitsSection) -> tuple[CgroupLimit, ...]:
    """Those that the settings name."""
    memory, processors = settings.memory_max, settings.cpu_max
    weight, processes = settings.io_weight, settings.processes
    every = (
        None if memory is None else CgroupLimit("limits.memory_max", "memory", "memory.max", str(memory)),
        None if processors is None else CgroupLimit("limits.cpu_max", "cpu", "cpu.max", _share(processors)),
        None if weight is None else CgroupLimit("limits.io_weight", "io", "io.weight", str(weight)),
        None if processes is None else CgroupLimit("limits.processes", "pids", "pids.max", str(processes)),
    )
    return tuple(limit for limit in every if limit is not None)


def enforceable(limits: Iterable[CgroupLimit]) -> tuple[CgroupLimit, ...]:
    """Those for which the kernel gives our runners' cgroups a controller, and one that knows them."""
    limits = tuple(limits)
    parent = cgroups.own() if limits else None
    if parent is None:
        return ()
    enabled = cgroups.enabled(parent, {limit.controller for limit in limits})
    return tuple(limit for limit in limits if limit.controller in enabled and cgroups.knows(parent, limit.file))


def unenforced(limits: Iterable[CgroupLimit], *, isolates: bool) -> str | None:
    """What cannot be enforced here, in words. Processes are counted by user, too, where each runner has its own."""
    limits = tuple(limits)
    enforced = enforceable(limits)
    left = [limit for limit in limits if limit not in enforced and not (isolates and limit.controller == "pids")]
    if not left:
        return None
    keys, controllers = (
        ", ".join(each) for each in zip(*((limit.key, limit.controller) for limit in left), strict=True)
    )
    return f"Not enforced: {keys}: cgroups here lack the controllers ({controllers})"


def _share(processors: float) -> str:
    return f"{round(processors * _PERIOD)} {_PERIOD}"
