"""runnerctl's core: everything a runner's life needs, for both front ends alike.

Synchronous and typed; knows nothing of Click, Rich or aiohttp. Names are imported when they are first used, so
that a command pays only for what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .domain.models import Runner, RunnerSpec, Scope
    from .engine.breaker import held_back
    from .engine.create import Wait, create_runner
    from .engine.operation import Operation, Pause, finish
    from .engine.orphans import finish_orphans
    from .engine.reconcile_runner import decide, reconcile_runner, seconds_to_restart
    from .engine.remove import Removal, remove_runner
    from .engine.restarts import is_attended, wait_and_restart
    from .engine.status import get_runner, observe, runner_status
    from .engine.stop import Stop, start_runner, stop_runner
    from .housekeeping.retention import Pruned, prune
    from .housekeeping.sizing import disk_sizes
    from .services import Services

_HOME = {
    "held_back": "engine.breaker",
    "Wait": "engine.create",
    "create_runner": "engine.create",
    "Operation": "engine.operation",
    "Pause": "engine.operation",
    "finish": "engine.operation",
    "decide": "engine.reconcile_runner",
    "reconcile_runner": "engine.reconcile_runner",
    "seconds_to_restart": "engine.reconcile_runner",
    "finish_orphans": "engine.orphans",
    "Removal": "engine.remove",
    "remove_runner": "engine.remove",
    "is_attended": "engine.restarts",
    "wait_and_restart": "engine.restarts",
    "Pruned": "housekeeping.retention",
    "prune": "housekeeping.retention",
    "disk_sizes": "housekeeping.sizing",
    "get_runner": "engine.status",
    "runner_status": "engine.status",
    "observe": "engine.status",
    "Stop": "engine.stop",
    "start_runner": "engine.stop",
    "stop_runner": "engine.stop",
    "Runner": "domain.models",
    "RunnerSpec": "domain.models",
    "Scope": "domain.models",
    "Services": "services",
}

__all__ = [
    "Operation",
    "Pause",
    "Pruned",
    "Removal",
    "Runner",
    "RunnerSpec",
    "Scope",
    "Services",
    "Stop",
    "Wait",
    "create_runner",
    "disk_sizes",
    "finish",
    "finish_orphans",
    "get_runner",
    "held_back",
    "is_attended",
    "decide",
    "prune",
    "reconcile_runner",
    "remove_runner",
    "runner_status",
    "seconds_to_restart",
    "observe",
    "wait_and_restart",
    "start_runner",
    "stop_runner",
]


def __getattr__(name: str) -> Any:
    # A package attribute named like a submodule (``reap``) must be set here, or the import system's would win.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
