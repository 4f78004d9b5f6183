"""What all steps of a job share."""

from __future__ import annotations

import os

from .. import guid
from .execution_context import Context
from .reporting.feed import Feed
from .reporting.masks import Masks
from .reporting.results import Results
from .reporting.step_log import StepLog
from .reporting.step_updates import Updates
from .reporting.timeline import Record
from .reporting.uploads import Uploads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..host.terminal import DiagnosticLog
    from ..identity import Identity
    from .interrupts import Interrupts
    from .job_message import JobMessage


class Job:
    def __init__(self, message: JobMessage, identity: Identity, interrupts: Interrupts, log: DiagnosticLog) -> None:
        self.message = message
        self.identity = identity
        self.interrupts = interrupts
        self.diagnostics = log
        self.work = identity.work_folder
        self.mark = f"github_{guid.new()}"
        self.masks = _masks(message)
        results = _results(message)
        self.feed = Feed(message.services.get("feedstreamurl", "") if results else "", message.token)
        self.uploads = Uploads(results, log)
        self.updates = Updates(results, log)
        self.record = Record(message.job_id, message.name, None)
        self.log = self.new_log("")
        self.context = Context(self, self.record, self.log)
        self.result: str | None = None
        self.environment: dict[str, str] = {}
        self.prepended: list[str] = []
        self.defaults: dict[str, str] = {}
        self.steps: dict[str, dict[str, dict[str, Any]]] = {}
        self.github: dict[str, Any] = dict(message.contexts.get("github") or {})
        self.runner: dict[str, str] = {}
        self.event_path = ""
        self.telemetry: list[dict[str, str]] = []
        self.step_results: list[dict[str, Any]] = []
        self.outputs: dict[str, dict[str, str]] = {}
        self.active: list[Context] = []
        self.noticed = False
        self.embedded_states: dict[str, dict[str, str]] = {}
        self.embedded_posts: dict[str, str] = {}
        self._numbers = 0
        self._has_posts = False
        self.updates.add(self.record)

    @property
    def temporary(self) -> str:
        return f"{self.work}/_temp"

    def known(self, scope: str, name: str) -> dict[str, Any]:
        """What the ``steps`` context of a scope knows of one of its steps."""
        return self.steps.setdefault(scope, {}).setdefault(name, {"outputs": {}})

    def new_log(self, step_id: str) -> StepLog:
        name = f"{self.message.timeline_id}_{step_id or self.message.job_id}"
        return StepLog(f"{self.identity.root}/_diag/blocks", name, step_id, self.uploads)

    def new_step(self, step_id: str, title: str, **known: Any) -> Context:
        self._numbers += 1
        return self._step(step_id, title, self._numbers, **known)

    def new_post_step(self, title: str, *, before: int, **known: Any) -> Context:
        """Post steps count down from twice the number of steps there were; ``before`` are registered already."""
        if not self._has_posts:
            self._has_posts = True
            self._numbers *= 2
        return self._step(guid.new(), title, self._numbers - before, **known)

    def _step(self, step_id: str, title: str, number: int, **known: Any) -> Context:
        record = Record(step_id, title, number)
        self.updates.add(record)
        return Context(self, record, self.new_log(step_id), **known)

    def note(self, text: str) -> None:
        self.telemetry.append({"message": text, "type": "General"})

    def finish(self) -> None:
        """Wait for what is under way, then send what is left: lines, logs, and last of all the state of the steps."""
        loops = (self.feed, self.uploads, self.updates)
        for loop in loops:
            loop.stop()
        for loop in loops:
            loop.join()
        self.feed.drain()
        self.uploads.drain()
        self.updates.drain()
        self.feed.close()


def _masks(message: JobMessage) -> Masks:
    from binascii import b2a_base64

    masks = Masks()
    for variable in message.variables.values():
        if variable.secret:
            masks.add(variable.value)
    for pattern in message.masks:
        masks.add_pattern(pattern)
    masks.add(message.token)
    basic = f"x-access-token:{message.variable('system.github.token')}".encode()
    masks.add(b2a_base64(basic, newline=False).decode())
    return masks


def _results(message: JobMessage) -> Results | None:
    url = message.variable("system.github.results_endpoint")
    if not url:
        return None
    return Results(url, message.token, plan_id=message.plan_id, job_id=message.job_id)


def tool_cache(work: str) -> str:
    return os.environ.get("RUNNER_TOOL_CACHE") or os.environ.get("AGENT_TOOLSDIRECTORY") or f"{work}/_tool"
