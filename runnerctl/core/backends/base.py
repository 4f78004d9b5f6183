"""What a backend does for a runner: start its processes, tell how they are, stop them, leave none behind.

A backend never touches GitHub or the store. Everything it needs to find the processes again, also from another
process or after a restart, is in the handle that ``launch`` returned or in the runner's run directory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

from ..domain.models import ProcessId
from ..domain.observation import Observation


class Launch(NamedTuple):
    """One start of a runner's processes."""

    runner_id: str
    name: str
    root: Path
    ephemeral: bool
    leased: bool = False
    """True: the processes end when the process that launched them does."""
    user: tuple[int, int] | None = None
    """(uid, gid) of those that are run; None: as ourselves."""
    job_started: Path | None = None
    """A script that the runner runs before each job, which fails if that does."""


class Configured(NamedTuple):
    """How ``config.sh`` ended, and what it said last."""

    status: int
    output: str


class Backend(ABC):
    """One way of running runners on this host."""

    name: str

    @abstractmethod
    def log(self, runner_id: str) -> Path:
        """Where its log is now."""

    @abstractmethod
    def links(self, runner_id: str) -> tuple[Path, Path]:
        """Where its log and its pid file are while it runs: its directory links there."""

    def prepare(self, runner_id: str) -> AbstractContextManager[None]:  # noqa: ARG002 - for who can use the time
        """A launch of that runner is near: what can be done ahead is, and is undone if none comes meanwhile.

        It never raises, and nothing of it outlives this process.
        """
        return nullcontext()

    @abstractmethod
    def configure(self, launch: Launch, arguments: tuple[str, ...], *, token: str, seconds: float) -> Configured:
        """Runs ``config.sh`` where the runner's Listener will run and as whom it will; returns when it has ended.

        ``token`` is in its own environment and nowhere else that a job could look. Raises ``BackendFailed`` when it
        cannot be run, or has not ended in ``seconds``.
        """

    @abstractmethod
    def launch(self, launch: Launch) -> str:
        """Starts the processes; returns the handle, opaque JSON, once the Listener runs. Raises ``BackendFailed``."""

    @abstractmethod
    def poll(self, runner_id: str) -> Observation:
        """Cheap: one small file and two looks into ``/proc``."""

    @abstractmethod
    def processes(self, runner_id: str) -> tuple[ProcessId, ...]:
        """Those whose death matters: of the last that was heard, living or not."""

    @abstractmethod
    def forget(self, runner_id: str) -> None:
        """The life has ended: nothing of it need be remembered."""

    @abstractmethod
    def supervised(self, runner_id: str) -> bool:
        """Whether its supervisor lives: asked apart, for a status needs it only when no Listener runs."""

    @abstractmethod
    def adopt(self, runner_id: str) -> bool:
        """Gives a supervisor to processes whose own died; False when nothing lives: there is only a life to end.

        Never stops or signals anything. Already supervised is fine. Raises ``BackendFailed``.
        """

    @abstractmethod
    def working(self, runner_id: str) -> bool:
        """Whether a job runs, proven by the kernel: a Worker among the runner's own processes."""

    @abstractmethod
    def drain(self, runner_id: str) -> None:
        """Asks to end after the job that runs, or at once if none does."""

    @abstractmethod
    def interrupt(self, runner_id: str) -> None:
        """Begins the stop ladder; a job that runs is cancelled. Already gone is fine."""

    @abstractmethod
    def kill(self, runner_id: str) -> None:
        """Ends every process of the runner now. Raises ``BackendFailed`` if one survives."""

    @property
    @abstractmethod
    def degraded(self) -> str | None:
        """What this backend cannot keep from jobs, in words; None if nothing."""
