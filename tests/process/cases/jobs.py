"""Jobs that last until the test lets them go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runnerctl.sandbox import JobView, Sandbox

from .machine import REPO, Machine, until


@dataclass(frozen=True, kw_only=True)
class Job:
    id: int
    go: Path
    github: Sandbox

    @classmethod
    def submit(cls, machine: Machine, github: Sandbox, label: str) -> Job:
        go = machine.top / f"go-{label}"
        script = f"while [ ! -e {go} ]; do sleep 0.02; done"
        return cls(id=github.submit_job(REPO, [label], [{"run": script}]), go=go, github=github)

    @classmethod
    def running(cls, machine: Machine, github: Sandbox, label: str) -> Job:
        """Once its Worker lives."""
        job = cls.submit(machine, github, label)
        github.wait_job_started(job.id)
        until(machine.workers)
        return job

    def let_go(self) -> JobView:
        self.go.touch()
        return self.github.wait_job(self.id)
