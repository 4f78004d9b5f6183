"""runnerctl's core: everything a runner's life needs, for both front ends alike.

Synchronous and typed; knows nothing of Click, Rich or aiohttp. Names are imported when they are first used, so
that a command pays only for what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .domain.models import Runner, RunnerSpec, Scope
    from .engine.github_side.breaker import held_back
    from .engine.github_side.orphans import finish_orphans
    from .engine.observing import decide, seconds_to_restart
    from .engine.operations.create import Wait, create_runner
    from .engine.operations.operation import Operation, finish
    from .engine.operations.remove import Removal, remove_runner
    from .engine.operations.stop import Stop, restart_runner, start_runner, stop_runner
    from .engine.reconcile_runner import reconcile_runner
    from .engine.restarts import is_attended, wait_and_restart
    from .engine.states_page import states_page
    from .engine.status import get_runner, observe, runner_status
    from .housekeeping.retention import Pruned, prune
    from .housekeeping.sizing import disk_sizes
    from .services import Services
    from .settings.typed import Setting

_HOME = {
    "held_back": "engine.github_side.breaker",
    "Wait": "engine.operations.create",
    "create_runner": "engine.operations.create",
    "Operation": "engine.operations.operation",
    "finish": "engine.operations.operation",
    "decide": "engine.observing",
    "reconcile_runner": "engine.reconcile_runner",
    "seconds_to_restart": "engine.observing",
    "finish_orphans": "engine.github_side.orphans",
    "Removal": "engine.operations.remove",
    "remove_runner": "engine.operations.remove",
    "is_attended": "engine.restarts",
    "wait_and_restart": "engine.restarts",
    "Pruned": "housekeeping.retention",
    "prune": "housekeeping.retention",
    "disk_sizes": "housekeeping.sizing",
    "states_page": "engine.states_page",
    "get_runner": "engine.status",
    "runner_status": "engine.status",
    "observe": "engine.status",
    "Stop": "engine.operations.stop",
    "restart_runner": "engine.operations.stop",
    "start_runner": "engine.operations.stop",
    "stop_runner": "engine.operations.stop",
    "Runner": "domain.models",
    "RunnerSpec": "domain.models",
    "Scope": "domain.models",
    "Services": "services",
    "Setting": "settings.typed",
}

__all__ = [
    "Operation",
    "Pruned",
    "Removal",
    "Runner",
    "RunnerSpec",
    "Scope",
    "Services",
    "Setting",
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
    "restart_runner",
    "runner_status",
    "seconds_to_restart",
    "states_page",
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
