"""Making a runner: admitted here, and then made by the engine's steps."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from ...access.policy import sees
from ...domain import names
from ...domain.errors import BackendFailed, DeadlineExceeded, FieldError, Forbidden, RunnerExists
from ...domain.models import Runner, RunnerSpec
from ...domain.states import UNLAUNCHED, Desired, RunnerState
from ...host.row_locks import RowHeld, is_held
from ...packages import releases
from .. import failures
from ..advance import give_up
from ..github_side import packages
from ..github_side.config_sh import check_reachable
from ..github_side.registration import TakeOver
from ..making import Making, Progress
from ..observing import decide
from ..steps.acts import IDLE
from .admission import admit
from .operation import Operation, drive_to_end
from .until_online import Online

if TYPE_CHECKING:
    from ...access.grants import TokenLimits
    from ...services import Services

_ROOM_SECONDS = 30.0
"""How long an earlier life of that name that is ending may take."""


class Wait(StrEnum):
    """What a create waits for before it answers."""

    NONE = "none"
    """Its process runs."""
    STARTED = "started"
    """It takes jobs, or ``start_grace`` has passed: most of what keeps a Listener from its work ends it at once."""
    ONLINE = "online"
    """It takes jobs."""


class Create(Operation[Runner]):
    """Registers a runner and starts it; its outcome is the runner, which is as far as ``wait`` says.

    ``progress`` hears of a download: bytes so far, bytes in all. ``limits`` are the caller's, if it is not the
    operator; beyond them it is ``Forbidden``, and so is a public repository that neither they nor the settings allow.
    A runner whose spec says ``daemonize=False`` ends with this process. ``runner_id`` is one of the store's ``new_id``:
    if there is a runner of that id, an earlier try has made it, and its outcome is this one's. ``replace_other``: a
    registration of that name that is not ours, is offline and runs no job, is deleted at GitHub and its name taken.
    Raises what GitHub, the disk or the backend refuse; then nothing is left of it but a row in ``failed`` and its log.
    ``BackendFailed`` when it ended meanwhile; ``DeadlineExceeded`` when it is not online after ``timeout`` seconds,
    which undoes nothing.
    """

    def __init__(
        self,
        services: Services,
        spec: RunnerSpec,
        *,
        wait: Wait = Wait.STARTED,
        timeout: float = 60.0,
        progress: Progress | None = None,
        limits: TokenLimits | None = None,
        by: str = "command",
        replace_other: bool = False,
        runner_id: str | None = None,
    ) -> None:
        super().__init__(services)
        self._given_id = runner_id
        self._spec = spec
        self._replace_other = replace_other
        self._wait = wait
        self._timeout = timeout
        self._progress = progress
        self._limits = limits
        self._by = by
        self._id: str | None = None
        self._online: Online | None = None
        self._room_until = services.clock.monotonic() + _ROOM_SECONDS

    def begin(self) -> None:
        if self._given_id is not None and self.services.store.get(self._given_id) is not None:
            self._id = self.runner_id = self._given_id
            return
        self._check()
        self._admit_if_there_is_room()

    def _check(self) -> None:
        if self._limits is not None:
            self._limits.check_create(self._spec)
            self._check_version()
            self._spec = replace(self._spec, may_be_public=self._limits.public_repositories)
            if self._limits.tenant is not None:
                an_hour = self.services.settings.server.github_calls
                self.services.store.check_may_create(self._limits.tenant, an_hour=an_hour)
        backend = self.services.backend
        previous = self.services.store.latest(self._spec.name)
        if previous is None or not previous.live:  # what stands there is a live runner's own otherwise
            self._check_left_behind(previous)
            backend.check_free(self._spec.name, self.services.settings.base_dir)
        self.services.check_runnable()
        self.services.clock.boot_id()  # without it, nothing of a runner could be seen again
        self.services.launching.check_job_env(self._spec.env, persistent=not self._spec.ephemeral)
        if not self._spec.ephemeral:
            if not backend.capabilities.persistent:
                raise names.invalid("ephemeral", f"The backend {backend.name} has no persistent runners")
            check_reachable(self.services.settings)
        _ = self.services.github  # no usable credentials: refused before anything is made

    def _check_version(self) -> None:
        """Whoever has limits has none fetched that is not here: each takes half a gigabyte of the disk."""
        version, default = self._spec.version, names.runner_version(self.services.settings.defaults.version)
        if version in {releases.LATEST, default} or packages.is_at_hand(self.services, self._spec.scope, version):
            return
        here = ", ".join(dict.fromkeys(package.version for package in self.services.packages.list()))
        message = f"Runner version {version} is not on this host, and this token may not have it fetched"
        raise Forbidden(
            message,
            hint=f"Leave 'version' out, or use one that is here: {here or 'none'}",
            errors=[FieldError("version", message)],
        )

    def _check_left_behind(self, previous: Runner | None) -> None:
        """An earlier runner's directory that could not even be set aside is no stranger's."""
        place = str(self.services.root(self._spec.name))
        if previous is None or not sees(self._limits, previous):
            return
        for orphan in self.services.store.orphans_of(previous.id):
            if orphan.path is not None and orphan.path.lower() == place.lower():
                raise RunnerExists(
                    f"{orphan.path!r} is still there, from an earlier runner {orphan.name!r}: {orphan.reason}",
                    hint=f"Choose another name. {{clear_orphan {orphan.id}}}",
                )

    def _admit_if_there_is_room(self) -> None:
        """A runner of that name that finished or died is cleared away first; one that lives is not.

        Of one that the caller may not see nothing is awaited: how long that takes would tell how far it is.
        """
        previous = self.services.store.latest(self._spec.name)
        if previous is None or not previous.live:
            self._admit()
        elif sees(self._limits, previous) and self._is_ending(previous):
            self.runner_id = previous.id
        else:
            raise self.services.store.name_taken(self._spec.name, self._limits)

    def _is_ending(self, previous: Runner) -> bool:
        """Its processes are gone, and the engine has yet to clear it away."""
        if self.services.clock.monotonic() > self._room_until or self._is_being_made(previous):
            return False
        backend, handle = self.services.backends.reach(previous)
        if not backend.observe(handle).gone:
            return False
        return decide(self.services, previous).step not in IDLE or previous.state is RunnerState.REMOVING

    def _is_being_made(self, previous: Runner) -> bool:
        """Whoever makes it holds its row. One whose maker was found dead stays so, whoever clears it away by now."""
        if previous.state not in UNLAUNCHED or previous.desired is Desired.GONE or previous.id == self.runner_id:
            return False
        return is_held(self.services.row_locks, previous.id)

    def _admit(self) -> None:
        # Known before: an interruption may come right behind the row's commit.
        runner_id = self._given_id or self.services.store.new_id()
        try:
            take_over = TakeOver() if self._replace_other else None
            self.making = Making(self.services, runner_id, progress=self._progress, take_over=take_over)
        except RowHeld as exc:  # a new id is nobody's
            raise BackendFailed("Another process holds the new runner's row") from exc
        self._id = self.runner_id = runner_id
        try:
            admit(self.services, self._spec, self._limits, runner_id=runner_id, by=self._by)
        except Exception:
            self.close()
            raise

    def outcome(self) -> Runner | None:
        if self._id is None:
            self._admit_if_there_is_room()
            return None
        runner = self.services.store.get(self._id)
        if runner is None or not runner.live:
            return self._ended(runner)
        if runner.started_at is None and runner.state is not RunnerState.STOPPED:
            return None
        self.close()
        return runner if self._is_there(runner) else None

    def _ended(self, runner: Runner | None) -> Runner:
        """It ended as it was to, soon after its start; or it never came that far."""
        self.close()
        failure = failures.raised(None if runner is None else runner.last_error)
        if runner is None or failure is not None:
            raise failure or BackendFailed(f"Runner {self._spec.name!r} is gone")
        if runner.started_at is None:
            raise BackendFailed(
                f"Runner {runner.name!r} was removed while it was being created: {runner.reason or 'on request'}"
            )
        if self._is_there(runner):
            return runner
        raise DeadlineExceeded(f"Runner {runner.name!r} was not online in time")

    def _is_there(self, runner: Runner) -> bool:
        if self._wait is Wait.NONE:
            return True
        if self._online is None:
            self._online = self._begin_to_wait(runner)
        return self._online.is_reached(runner)

    def _begin_to_wait(self, runner: Runner) -> Online:
        if self._wait is Wait.ONLINE:
            return Online(self.services, runner, timeout=self._timeout)
        return Online(self.services, runner, timeout=self.services.settings.start_grace, may_be_late=True)

    def seconds_left(self) -> float | None:
        return None if self._online is None else self._online.seconds_left()

    def interrupted(self, exc: BaseException) -> None:
        """What was made until it runs is undone; a runner that runs stays."""
        runner = self.services.store.get(self._id) if self._id is not None else None
        if runner is None or not runner.live or self.making is None:
            return
        give_up(self.services, runner, exc)
        drive_to_end(self)


def create_runner(
    services: Services,
    spec: RunnerSpec,
    *,
    wait: Wait = Wait.STARTED,
    timeout: float = 60.0,
    progress: Progress | None = None,
    limits: TokenLimits | None = None,
    by: str = "command",
    replace_other: bool = False,
    runner_id: str | None = None,
) -> Operation[Runner]:
    """See ``Create``."""
    return Create(
        services,
        spec,
        wait=wait,
        timeout=timeout,
        progress=progress,
        limits=limits,
        by=by,
        replace_other=replace_other,
        runner_id=runner_id,
    )
