"""A command that dies at one of its commits, in a process of its own.

WHEN is ``before`` or ``after`` (killed just then), or ``interrupted`` (just after it, as by Ctrl-C).

The commits are counted by the store itself, so every one there is can be reached, and none is forgotten.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from runnerctl import core
from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.models import RunnerSpec, Scope
from runnerctl.core.engine.operations.replacing import replace_lost
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.services import Services
from runnerctl.core.settings import load as settings
from runnerctl.core.store import Store


class DiesAtCommit(Store):
    """Ends its process at one commit: just before it, with all effects done, or just after."""

    def __init__(self, *args: Any, number: int, when: str, **options: Any) -> None:
        self._left = number
        self._when = when
        self._armed = False
        super().__init__(*args, **options)
        self._armed = True

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if not self._armed:
            with super()._transaction() as db:
                yield db
            return
        self._left -= 1
        with super()._transaction() as db:
            yield db
            if self._left == 0 and self._when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGINT if self._when == "interrupted" else signal.SIGKILL)


def spec(name: str, *, ephemeral: bool) -> RunnerSpec:
    return RunnerSpec.of(name=name, scope=Scope.of(repo="acme/widgets"), labels="linux", ephemeral=ephemeral)


OPERATIONS: dict[str, Callable[[Services, str], object]] = {
    "create": lambda services, name: core.create_runner(services, spec(name, ephemeral=True), wait=core.Wait.NONE),
    "create persistent": lambda services, name: core.create_runner(
        services, spec(name, ephemeral=False), wait=core.Wait.NONE
    ),
    "remove": core.remove_runner,
    "remove by force": lambda services, name: core.remove_runner(services, name, force=True),
    "stop": core.stop_runner,
    "start": core.start_runner,
    "start register": lambda services, name: core.start_runner(services, name, register=True),
    "reap": lambda services, name: core.reconcile_runner(services, services.store.latest(name).id),  # type: ignore[union-attr]
    "sweep": lambda services, _: sweep(services),
    "replace": lambda services, _: replace_lost(services),
}


def run(operation: str, name: str, number: int, when: str, environment: Mapping[str, str]) -> int:
    """As ``subprocess`` tells it: 0 when the operation ended before that commit was reached, -N for a signal."""
    return in_a_process(_operate, operation, name, number, when, dict(environment))


def in_a_process(act: Callable[..., None], *given: Any) -> int:
    """How it ended, as ``subprocess`` tells it."""
    # Forked off a process that has imported all this and has no threads: starting Python anew takes ten times as long.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=act, args=given)
    process.start()
    process.join(60)
    assert process.exitcode is not None, "it does not end"
    return process.exitcode


def _operate(operation: str, name: str, number: int, when: str, environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _carry_out(operation, name, number, when)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)


def _carry_out(operation: str, name: str, number: int, when: str) -> None:
    services = Services.open(settings.load())
    path = services.settings.state_dir / "runnerctl.db"
    services.__dict__["store"] = DiesAtCommit(
        path, clock=SystemClock(), rng=random.SystemRandom(), host=os.uname().nodename, number=number, when=when
    )
    done = OPERATIONS[operation](services, name)
    if isinstance(done, core.Operation):
        core.finish(done)
