"""What a backend does for runners: make room for one, start it, tell how it is, stop it, leave nothing behind.

A backend never touches GitHub or the store. All that it needs to find a runner again, also from another process, after
a restart or after other settings, is in the runner's handle: opaque text that the row keeps, that holds no secret, and
that every act is given. Acts may take effect later; whether one did is told by ``observe`` alone. Each may be repeated.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..domain.errors import BackendFailed
from ..domain.models import ProcessId
from ..domain.observation import UNKNOWN, Observation

if TYPE_CHECKING:
    from ..packages.store import Package


class Capabilities(NamedTuple):
    """What a backend can do, as data."""

    persistent: bool
    """Runners that go on after a job and are started again where they were."""
    isolation: bool
    """Jobs cannot read what is the manager's, nor touch each other."""
    limits: bool
    """Memory, processors and processes of a runner can be bounded."""
    adoption: bool
    """What runs outlives the manager, and is found again."""
    package: bool
    """It needs the package of actions/runner on this host."""


class StopLadder(NamedTuple):
    """Patience on each rung, in seconds."""

    interrupt: float = 30.0
    terminate: float = 10.0
    kill: float = 5.0
    shutdown_grace: float = 60.0
    settle: float = 3.0
    """How long one that just began to wait for a job is not stopped: a job may be on its way."""


class Problem(NamedTuple):
    """What is not as it should be here."""

    message: str
    hint: str | None = None
    fatal: bool = True
    """Nothing can be done here until it is mended; else it is worth a warning."""


class Provision(NamedTuple):
    """A runner that is to be made."""

    runner_id: str
    name: str
    ephemeral: bool
    base_dir: Path
    """Where directories of runners are, if it gets one."""
    package: Package | None = None
    """For backends that need one (``Capabilities.package``)."""
    user: tuple[int, int] | None = None
    """(uid, gid) of those whom its jobs run as; None: as the backend has it."""
    env: Mapping[str, str] = MappingProxyType({})
    """Variables for its jobs beside those of the settings, at each of its starts."""


class Jit(NamedTuple):
    """GitHub has registered it already, and that is its configuration. A secret."""

    encoded: str

    def __repr__(self) -> str:
        return "Jit(encoded='***')"


class ConfigSh(NamedTuple):
    """Its own ``config.sh`` registers it. The token is in that script's environment and nowhere else."""

    arguments: tuple[str, ...]
    token: str
    seconds: float
    """How long the script may take."""

    def __repr__(self) -> str:
        return f"ConfigSh(arguments={self.arguments!r}, token='***', seconds={self.seconds!r})"


class Configured(NamedTuple):
    """How ``config.sh`` ended, and what it said last."""

    status: int | None
    """None: it did not end in time, and nothing of it is left."""
    output: str
    seconds: float | None = None
    """How long it was given, if that is less than was asked for."""


class Accepted(NamedTuple):
    """What came of an identity."""

    handle: str
    github_id: int | None = None
    """GitHub's id of the runner, as far as the identity tells it."""
    configured: Configured | None = None
    """Of a ``ConfigSh``: with any status but 0 the runner has no identity."""


class Usage(NamedTuple):
    """What a runner has taken of its host so far."""

    cpu_seconds: float
    memory_bytes: int


class Left(NamedTuple):
    """Something that could not be cleared away."""

    message: str
    hint: str | None = None
    """The command that clears it."""
    going: bool = False
    """Nothing is in its way: it is being deleted, and that takes a while."""
    path: str | None = None
    """Where a directory is that cannot be deleted now: nothing of the runner lives in it, and it is in no other's way.
    None: something of the runner may still be in use."""


DeleteAsRoot = Callable[[Path, tuple[int, int] | None, str], None]
"""Deletes the directory of a runner: its path, its (device, inode) when it was made, the runner's id."""


class Found(NamedTuple):
    """Something that carries our mark."""

    runner_id: str
    handle: str


class Closeable(Protocol):
    def close(self) -> None: ...


class Backend(ABC):
    """One way of running runners. Safe for threads.

    ``BackendFailed`` means that the backend could not be asked or did not do it; it says nothing of the runner.
    """

    name: str
    observes_at_once: bool = False
    """``observe_all`` asks once for all."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities: ...

    @property
    @abstractmethod
    def ladder(self) -> StopLadder:
        """How patiently it stops."""

    def in_progress(self) -> dict[str, Any]:
        """What begun launches hold, by field, for the one that takes this one's place when the settings change."""
        return {}

    # -- before there is a runner

    def check(self) -> Sequence[Problem]:
        """What it finds itself that speaks against running runners here, beside settings, directories and ``degraded``.

        Nothing is made or changed, and nothing raised.
        """
        return ()

    def check_free(self, name: str, base_dir: Path) -> None:  # noqa: B027 - where names take no room, all are free
        """Raises ``RunnerExists`` where a stranger bears that name, ``ConfigInvalid`` where none has room."""

    def users(self) -> Sequence[tuple[int, int]] | None:
        """Those (uid, gid) that a new runner's jobs may run as and that nobody else here uses now.

        None where the backend sees to that itself. Raises ``ConfigInvalid`` when jobs cannot run as them.
        """
        return None

    @property
    @abstractmethod
    def degraded(self) -> str | None:
        """What it cannot keep from jobs that have no user of their own, in words; None if nothing."""

    @property
    def unenforced(self) -> str | None:
        """The part of it that is also so for jobs with a user of their own."""
        return None

    # -- making one

    @abstractmethod
    def provision(self, spec: Provision) -> str:
        """Makes all that a runner needs before it is registered; returns its handle.

        Once it returns, the runner's name is its own here. What an earlier call for that ``runner_id`` made is used or
        replaced. Raises ``RunnerExists``, ``DiskFull``, ``ConfigInvalid`` or ``BackendFailed``; what was made until
        then, also by a call that never returned, is found by ``cleanup``.
        """

    def upgrade(self, handle: str, package: Package) -> str:  # noqa: ARG002 - for who has one
        """Gives one without processes another version of actions/runner; its identity stays. Returns its handle."""
        raise BackendFailed(f"Backend {self.name} has no package to change: {package.version} is not taken")

    @abstractmethod
    def accept(self, handle: str, identity: Jit | ConfigSh) -> Accepted:
        """Gives it the identity of a registered runner, or lets it get one by itself; an earlier one is replaced.

        When it returns, the identity is durable: a power cut loses nothing, and nobody need keep the blob. Raises
        ``GitHubRefused`` for a blob that is none, ``BackendFailed`` when ``config.sh`` cannot be run or takes too long.
        """

    @abstractmethod
    def accepted(self, handle: str) -> int | bool | None:
        """Which identity is there already: GitHub's id, True where it tells none, False for none, None if unknown."""

    # -- running it

    def prepare(self, handle: str) -> AbstractContextManager[None]:  # noqa: ARG002 - for who can use the time
        """A launch is near: what can be done ahead is, and is undone if none comes meanwhile.

        It never raises, and nothing of it outlives this process.
        """
        return nullcontext()

    @abstractmethod
    def launch(self, handle: str, *, leased: bool = False) -> str:
        """Starts it; returns its handle. ``leased``: it ends when the process that launched it does.

        When it returns, ``observe`` does not call it gone until it has ended, though it may not run yet. Raises
        ``BackendFailed`` when it cannot be started; then nothing runs.
        """

    @abstractmethod
    def observe(self, handle: str) -> Observation:
        """How it is. Cheap: a status is one of these. Raises ``BackendFailed`` where nothing could be seen, or says
        ``UNKNOWN``."""

    def observe_all(self, handles: Iterable[str]) -> Mapping[str, Observation]:
        """The same for many, by handle; one that could not be seen is unknown, and nothing is raised.

        Remote backends ask once for all, and may show what was so a while ago: nobody acts on it without ``observe``.
        """
        return {handle: self._observe_or_unknown(handle) for handle in handles}

    def _observe_or_unknown(self, handle: str) -> Observation:
        try:
            return self.observe(handle)
        except BackendFailed as exc:
            return UNKNOWN._replace(error=exc.message)

    @abstractmethod
    def working(self, handle: str) -> bool:
        """Whether a job runs, proven: a Worker among its own processes. Raises ``BackendFailed`` if unknown."""

    @abstractmethod
    def supervised(self, handle: str) -> bool:
        """Whether somebody watches it who tells how it ends."""

    @abstractmethod
    def adopt(self, handle: str) -> bool:
        """Gives a supervisor to processes whose own died; False when nothing lives: there is only a life to end.

        Never stops or signals anything. Already supervised is fine. Raises ``BackendFailed``.
        """

    def processes(self, handle: str) -> tuple[ProcessId, ...]:  # noqa: ARG002 - remote ones have none here
        """Those of this host whose death matters, the supervisor first: of the last that was heard, living or not."""
        return ()

    def watch(self, notify: Callable[[str], None]) -> Closeable | None:  # noqa: ARG002 - for who can tell by itself
        """Calls ``notify`` with the runner's id when something happened, from any thread, until it is closed.

        A hint only. None: it does not tell by itself; processes of this host poke the server's socket.
        """
        return None

    # -- stopping it

    @abstractmethod
    def drain(self, handle: str) -> None:
        """Asks to end after the job that runs, or at once if none does. Already gone is fine."""

    def undrain(self, handle: str) -> None:  # noqa: B027 - most cannot
        """Asks to take jobs again. What cannot be taken back ends after its job, and is started again if it may be."""

    @abstractmethod
    def interrupt(self, handle: str) -> None:
        """Begins the stop ladder; a job that runs is cancelled. Already gone is fine."""

    @abstractmethod
    def kill(self, handle: str) -> None:
        """Ends all that runs of it, at once. Already gone is fine. Raises ``BackendFailed`` if something survives."""

    def leased(self) -> tuple[str, ...]:
        """The ids of runners that were launched as ``leased`` here and whose lease was not given up yet."""
        return ()

    def release(self, handle: str) -> None:  # noqa: B027 - most have no leases
        """Gives up the lease on a runner: its stop ladder begins."""

    # -- what it says and takes

    @abstractmethod
    def logs(self, handle: str) -> Path:
        """Where its log is now."""

    def usage(self, handle: str) -> Usage | None:  # noqa: ARG002 - for who counts
        """None where nobody counts, or nothing runs."""
        return None

    # -- clearing it away

    @abstractmethod
    def cleanup(self, handle: str) -> Sequence[Left]:
        """Deletes all that there is of it but its log; returns what is left, nothing if all is gone.

        Its processes must be dead. Only what is certainly its own is deleted; what may be is named and kept. Raises
        nothing for what is in the way: that is left.
        """

    def clear_as_root(self, handle: str, delete: DeleteAsRoot) -> None:  # noqa: B027 - for who keeps directories here
        """Has what ``cleanup`` could not delete deleted by ``delete``, which has more rights. Raises what that does."""

    @abstractmethod
    def discover(self) -> Iterable[Found]:
        """All here that carries our mark, whether anybody knows of it or not."""

    def taken_over(self, handle: str) -> str:
        """Its handle here, when the state of another machine goes on on this one: what was copied is another file."""
        return handle

    def forget_identity(self, handle: str) -> None:  # noqa: B027 - for who has one on this host
        """Deletes what its Listener would sign in with, here; nothing is told to GitHub."""

    def tidy(self, handle: str, *, before: float) -> int:  # noqa: ARG002 - for who keeps files that grow old
        """Deletes what actions/runner itself wrote and left before then; says how many files. Never raises."""
        return 0

    def logged(self) -> Iterable[tuple[str, float]]:
        """(runner id, when it was changed last) of all whose log is kept here."""
        return ()

    def forget(self, runner_id: str) -> bool:  # noqa: ARG002 - for who keeps logs
        """Deletes the log of a runner whose life has ended. False if there is none, or it would not go."""
        return False
