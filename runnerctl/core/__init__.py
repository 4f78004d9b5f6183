"""runnerctl's core: everything a runner's life needs, for both front ends alike.

Synchronous and typed; knows nothing of Click, Rich or aiohttp. Names are imported when they are first used, so
that a command pays only for what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .lifecycle.breaker import held_back
    from .lifecycle.create import Wait, create_runner
    from .lifecycle.operation import Operation, Pause, finish
    from .lifecycle.orphans import finish_orphans
    from .lifecycle.reap import decide, reap, seconds_to_restart
    from .lifecycle.remove import Removal, remove_runner
    from .lifecycle.restarts import is_attended, see_through
    from .lifecycle.retention import Pruned, prune
    from .lifecycle.sizing import disk_sizes
    from .lifecycle.status import get_runner, runner_status, see
    from .lifecycle.stop import Stop, start_runner, stop_runner
    from .models import Runner, RunnerSpec, Scope
    from .services import Services

_HOME = {
    "held_back": "lifecycle.breaker",
    "Wait": "lifecycle.create",
    "create_runner": "lifecycle.create",
    "Operation": "lifecycle.operation",
    "Pause": "lifecycle.operation",
    "finish": "lifecycle.operation",
    "decide": "lifecycle.reap",
    "reap": "lifecycle.reap",
    "seconds_to_restart": "lifecycle.reap",
    "finish_orphans": "lifecycle.orphans",
    "Removal": "lifecycle.remove",
    "remove_runner": "lifecycle.remove",
    "is_attended": "lifecycle.restarts",
    "see_through": "lifecycle.restarts",
    "Pruned": "lifecycle.retention",
    "prune": "lifecycle.retention",
    "disk_sizes": "lifecycle.sizing",
    "get_runner": "lifecycle.status",
    "runner_status": "lifecycle.status",
    "see": "lifecycle.status",
    "Stop": "lifecycle.stop",
    "start_runner": "lifecycle.stop",
    "stop_runner": "lifecycle.stop",
    "Runner": "models",
    "RunnerSpec": "models",
    "Scope": "models",
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
    "reap",
    "remove_runner",
    "runner_status",
    "seconds_to_restart",
    "see",
    "see_through",
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
