"""``runnerctl create --foreground``: attached to one runner until its end, and nothing is left of it afterwards."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from runnerctl import core
from runnerctl.core import Services
from runnerctl.core.domain.models import Runner, RunnerSpec
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.logs import LogReader

from . import render, runners
from .options import CliContext, Output
from .package import warn_of
from .waiting import OBSERVE_SECONDS, not_completed

EXIT_INTERRUPTED = 130
_STOP_NOW = 2
"""The first request drains, the second cancels the job."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Requests:
    """How often the user asked for the end. While the runner is being made, asking undoes that."""

    def __init__(self) -> None:
        self.count = 0
        self.attending = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if not self.attending:
            raise KeyboardInterrupt
        self.count += 1


@contextmanager
def _listening() -> Iterator[_Requests]:
    requests = _Requests()
    # A signal that is ignored stays so: that is what nohup is for.
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        if number is signal.SIGINT or before[number] is not signal.SIG_IGN:
            signal.signal(number, requests)
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(cli: CliContext, services: Services, spec: RunnerSpec, *, replace: bool) -> int:
    """Makes the runner, shows its log until it ends, removes it; 0 if it completed, 130 if the user ended it.

    Raises ``BackendFailed`` when it ended in any other way.
    """
    with _listening() as requests:
        meter = render.download_meter(cli)
        operation = core.create_runner(services, spec, wait=core.Wait.NONE, progress=meter, replace_other=replace)
        runner = core.finish(operation, clock=services.clock)
        requests.attending = True
        render.talk(cli, f"Created runner {runner.name!r} for {runner.scope}; Ctrl-C ends it")
        warn_of(cli, services, runner.version, runner.scope)
        try:
            _attend(cli, services, runner, requests)
        finally:
            ended, runner = _removed(services, runner)
    render.talk(cli, f"Removed runner {runner.name!r}")
    completed = ended.state is RunnerState.COMPLETED
    if not completed and not requests.count:
        raise not_completed(ended)
    if cli.output is not Output.TABLE:
        render.item(cli, runners.document(core.observe(services, runner)), {}, key="name")
    return 0 if completed and requests.count < _STOP_NOW else EXIT_INTERRUPTED


def _attend(cli: CliContext, services: Services, runner: Runner, requests: _Requests) -> None:
    # With a document on standard output, the log is talk.
    stream = sys.stdout if cli.output is Output.TABLE else sys.stderr
    backend, handle = services.backends.reach(runner)
    log = LogReader(backend.logs(handle))
    answered = 0
    while True:
        gone = backend.observe(handle).gone  # first: what was written before the end is shown, too
        render.lines(log.lines(), stream)
        if gone:
            log.close()
            return
        if requests.count > answered:
            answered = requests.count
            _answer(cli, services, runner, answered)
        services.clock.sleep(OBSERVE_SECONDS)


def _answer(cli: CliContext, services: Services, runner: Runner, count: int) -> None:
    backend, handle = services.backends.reach(runner)
    if count < _STOP_NOW:
        working = backend.working(handle)
        backend.drain(handle)
        text = "The job finishes first; press Ctrl-C again to stop now" if working else "It takes no more jobs"
        render.talk(cli, f"Ending runner {runner.name!r}. {text}")
        return
    backend.interrupt(handle)
    render.talk(cli, f"Stopping runner {runner.name!r} now")


def _removed(services: Services, runner: Runner) -> tuple[Runner, Runner]:
    """(as it ended, as it is left): whatever is still there is removed, with force."""
    ended = core.reconcile_runner(services, runner.id) or runner
    if not ended.live:
        return ended, ended
    removal = core.finish(core.remove_runner(services, runner.name, force=True), clock=services.clock)
    return ended, removal.runner
