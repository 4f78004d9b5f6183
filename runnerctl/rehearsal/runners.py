"""The runners of a rehearsal, made and ended by the core as any other, on a GitHub that is this process's own."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runnerctl import core
from runnerctl.core.domain.errors import RunnerctlError
from runnerctl.core.domain.models import RunnerSpec, Scope

from .causes import cause
from .proofs import Failed

if TYPE_CHECKING:
    from runnerctl.core import Runner, Services
    from runnerctl.sandbox import JobView, Sandbox

REPO = "octo-org/octo-repo"
_OBSERVE_SECONDS = 0.05
_ONLINE_SECONDS, _JOB_SECONDS, _END_SECONDS = 60.0, 90.0, 60.0
_ALONE_SECONDS = 5.0
"""How long a job may go without its runner's processes: its last words may be on their way."""
_MOST_LOG = 64 * 1024


@dataclass(kw_only=True)
class Runners:
    services: Services
    sandbox: Sandbox
    mark: str
    version: str
    memory: int = 0
    """The most that a Listener and its Worker had resident at once, in bytes."""
    _names: list[str] = field(default_factory=list)

    @property
    def made(self) -> list[Runner]:
        """All of them, ended or not."""
        return [each for name in self._names if (each := self.services.store.latest(name)) is not None]

    def create(self, suffix: str, *, ephemeral: bool = True) -> Runner:
        """One that takes jobs. Raises ``Failed`` with the cause."""
        defaults = self.services.settings.defaults
        spec = RunnerSpec.of(
            name=f"rehearse-{self.mark}-{suffix}",
            scope=Scope.of(repo=REPO),
            labels=defaults.labels,
            ephemeral=ephemeral,
            daemonize=False,  # none outlives a rehearsal that is killed
            version=self.version,
            workdir=defaults.workdir,
        )
        self._names.append(spec.name)
        operation = core.create_runner(self.services, spec, wait=core.Wait.ONLINE, timeout=_ONLINE_SECONDS)
        try:
            return core.finish(operation, clock=self.services.clock)
        except RunnerctlError as exc:
            raise self._failure(spec.name, exc) from exc

    def submit(self, runner: Runner, steps: Sequence[Mapping[str, Any]], *, name: str = "rehearsal") -> int:
        return self.sandbox.submit_job(REPO, [runner.name], steps, name=name)

    def run(self, runner: Runner, steps: Sequence[Mapping[str, Any]]) -> JobView:
        """The job, once it is completed. Raises ``Failed``."""
        return self.completed(runner, self.submit(runner, steps))

    def completed(self, runner: Runner, job: int) -> JobView:
        return self._until(runner, job, lambda seen: seen.status == "completed")

    def says(self, runner: Runner, job: int, line: str) -> JobView:
        """The job, once its log has that line."""
        return self._until(runner, job, lambda seen: line in seen.lines or seen.status == "completed")

    def ended(self, runner: Runner) -> Runner:
        """The runner, once its life has ended and all of it is cleared. Raises ``Failed``."""
        deadline = self.services.clock.monotonic() + _END_SECONDS
        while self.services.clock.monotonic() < deadline:
            with suppress(RunnerctlError):  # its reaper is at work on it; or it is tried again
                current = core.reconcile_runner(self.services, runner.id, wait=1.0)
                if current is None or not current.live:
                    return current or runner
            self.services.clock.sleep(_OBSERVE_SECONDS)
        raise Failed(f"The runner has not ended {_END_SECONDS:.0f} s after its job")

    def remove(self, runner: Runner, **how: Any) -> None:
        """Raises ``Failed``."""
        try:
            core.finish(core.remove_runner(self.services, runner.name, **how), clock=self.services.clock)
        except RunnerctlError as exc:
            raise Failed(exc.message, hint=exc.hint or "") from exc

    def processes(self) -> list[int]:
        """Of all of them, as far as they can be seen."""
        return [pid for runner in self.made for pid in core.processes.marked(runner.id)]

    def _until(self, runner: Runner, job: int, met: Callable[[JobView], bool]) -> JobView:
        clock = self.services.clock
        deadline, alone_since = clock.monotonic() + _JOB_SECONDS, None
        while not met(seen := self.sandbox.job(job)):
            now = clock.monotonic()
            gone = not self._measured(runner)
            alone_since = (now if alone_since is None else alone_since) if gone else None
            if alone_since is not None and now - alone_since > _ALONE_SECONDS:
                raise self._failure(runner.name, None)
            if now > deadline:
                raise Failed(f"The job is still {seen.status} after {_JOB_SECONDS:.0f} s: {_last(seen.lines)}")
            clock.sleep(_OBSERVE_SECONDS)
        return seen

    def _measured(self, runner: Runner) -> bool:
        """Whether its Listener lives; and how much memory it has had."""
        seen = core.routed.observe(self.services, runner)
        if seen.pid is not None:
            worker = core.processes.worker(seen.pid, runner.id, uid=runner.job_uid)
            pids = [seen.pid, *([worker.pid] if worker else [])]
            self.memory = max(self.memory, sum(map(_peak, pids)))
        return seen.running is not False

    def _failure(self, name: str, error: RunnerctlError | None) -> Failed:
        """With the cause, where what was said tells it."""
        runner = self.services.store.latest(name)
        log = _tail(core.routed.logs(self.services, runner)) if runner else ""
        message = error.message if error else (runner.reason if runner else None) or "The runner ended in its job"
        if (told := cause(message, log)) is not None:
            return Failed(told[0], hint=told[1])
        said = _last(log.splitlines())
        hint = error.hint if error and error.hint and "{" not in error.hint else f"The runner's last words: {said}"
        return Failed(message, hint=hint)


def _peak(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
        return 1024 * int(text.split("VmHWM:")[1].split()[0])
    return 0


def _last(lines: Sequence[str]) -> str:
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:300] if said else "none"


def _tail(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _MOST_LOG))
        return stream.read().decode(errors="replace")
