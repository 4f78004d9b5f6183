"""The calls of a runner's life to GitHub, each one method."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, TypeVar

from ..domain.clock import Clock
from ..domain.errors import GitHubConflict, GitHubNoAnswer, GitHubNotFound, GitHubRefused
from ..domain.meter import Meter
from ..domain.models import Scope
from . import requests as protocol
from .answers import (
    Deprecation,
    Download,
    JitConfig,
    Release,
    RemoteRunner,
    WireDeprecation,
    WireDownload,
    WireGroups,
    WireJitConfig,
    WireRelease,
    WireRepository,
    WireRunner,
    WireRunners,
    WireToken,
)
from .auth import Identity, credentials
from .cache import VISIBILITY_SECONDS
from .config import GitHubSettings
from .errors import decode, refusal
from .pages import RunnerPages, follow
from .repo_visibility import RepoVisibility
from .requests import DEFAULT_GROUP_ID, Answer, Request
from .runner_groups import RunnerGroups
from .single_flight import SingleFlight

if TYPE_CHECKING:
    from .retry import Retry
    from .transport import RateLimit, Transport

T = TypeVar("T")

_NO_VERDICT = frozenset({400, 404, 410})
"""What is unknown: the version, the call, or the API version that has it."""


class GitHub:
    """Thread-safe; one per process. Every method may raise any ``GitHubError``.

    Calls that may be repeated are tried up to three times; each ends within the settings' ``timeout``, all tries
    included. A rate limit is raised at once, with ``retry_after``.
    """

    def __init__(
        self, settings: GitHubSettings, *, clock: Clock, rng: random.Random, meter: Meter | None = None
    ) -> None:
        self._settings = settings
        self._meter = meter
        self._clock = clock
        self._rng = rng
        self._credentials = credentials(settings, send=self._send, clock=clock)
        self._groups = RunnerGroups(settings, clock=clock)
        self._visibilities = RepoVisibility(settings, clock=clock)
        self._looks: SingleFlight[bool] = SingleFlight()
        self._pages = RunnerPages()
        self._mutex = threading.Lock()
        self._transport: Transport | None = None
        self._tries: Retry | None = None

    @property
    def calls(self) -> int:
        """Requests sent so far, those for tokens included."""
        return self._transport.calls if self._transport else 0

    @property
    def rate_limit(self) -> RateLimit | None:
        """What GitHub last said about it; None before the first call, and where no limit is in force."""
        return self._transport.rate_limit if self._transport else None

    def close(self) -> None:
        """Ends the kept connections; a later call opens new ones."""
        if self._transport:
            self._transport.close()

    def generate_jitconfig(
        self, scope: Scope, *, name: str, group_id: int, labels: tuple[str, ...], workdir: str
    ) -> JitConfig:
        """Registers a runner. Sent at most once: after ``GitHubNoAnswer`` it may be registered.

        Raises ``GitHubConflict`` when a runner of that name is registered.
        """
        request = protocol.generate_jitconfig(scope, name=name, group_id=group_id, labels=labels, workdir=workdir)
        try:
            return self._read(request, scope, WireJitConfig).value()
        except GitHubConflict:
            raise
        except (GitHubNotFound, GitHubRefused):
            if group_id != DEFAULT_GROUP_ID:
                self._groups.forget(scope)
            raise

    def registration_token(self, scope: Scope) -> str:
        return self._read(protocol.registration_token(scope), scope, WireToken).token

    def remove_token(self, scope: Scope) -> str:
        return self._read(protocol.remove_token(scope), scope, WireToken).token

    def find_runner(self, scope: Scope, name: str) -> RemoteRunner | None:
        """By name, without regard to case."""
        request = protocol.list_runners(scope, name=name)
        # Whether ?name= is exact, a prefix or ignored is not promised: every page is looked through.
        for answer in follow(request, lambda page: self._answer(page, scope)):
            for runner in decode(request, answer, WireRunners).runners:
                if runner.name.lower() == name.lower():
                    return runner.value()
        return None

    def get_runner(self, scope: Scope, runner_id: int) -> RemoteRunner | None:
        """None when GitHub has no such runner."""
        request = protocol.get_runner(scope, runner_id)
        answer = self._answer(request, scope)
        return None if answer.status == 404 else decode(request, answer, WireRunner).value()

    def list_runners(self, scope: Scope) -> list[RemoteRunner]:
        return self._pages.listed(scope, lambda page: self._answer(page, scope))

    def delete_runner(self, scope: Scope, runner_id: int) -> bool:
        """True when it was deleted, False when it was gone before; raises ``GitHubBusy`` while a job runs.

        Also ``GitHubNotFound`` where GitHub shows us nothing of the scope any more: then nobody knows.
        """
        request = protocol.delete_runner(scope, runner_id)
        answer = self._answer(request, scope)
        if answer.status == 204:
            return True
        if answer.status == 404:
            self._read(protocol.list_runners(scope, per_page="1"), scope, WireRunners)
            return False
        if 200 <= answer.status < 300:
            raise GitHubNoAnswer(f"GitHub was asked to {request.purpose} and answered with {answer.status}, not 204")
        raise refusal(request, answer)

    def group_id(self, scope: Scope, group_name: str | None) -> int:
        """The id of an organization's runner group, the default group's for None (without a call)."""
        if group_name is None:
            return DEFAULT_GROUP_ID
        known = self._groups.get(scope, group_name)
        if known is not None:
            return known
        request = protocol.list_groups(scope)
        ids: dict[str, int] = {}
        for answer in follow(request, lambda page: self._answer(page, scope)):
            ids |= {group.name.lower(): group.id for group in decode(request, answer, WireGroups).runner_groups}
        if group_name.lower() not in ids:
            raise GitHubNotFound(
                f"Organization {scope.owner!r} has no runner group {group_name!r}",
                hint="Check the name, and that the App or token may see the group",
            )
        self._groups.put(scope, ids)
        return ids[group_name.lower()]

    def is_public(self, scope: Scope, *, max_age: float = VISIBILITY_SECONDS) -> bool:
        """Whether everybody may see that repository, by what GitHub said at most ``max_age`` seconds ago."""
        known = self._visibilities.get(scope, max_age=max_age)
        return self._looks.get((scope, max_age), lambda: self._look(scope, max_age)) if known is None else known

    def _look(self, scope: Scope, max_age: float) -> bool:
        known = self._visibilities.get(scope, max_age=max_age)  # whoever came first may be done by now
        if known is None:
            known = not self._read(protocol.get_repository(scope), scope, WireRepository).private
            self._visibilities.put(scope, public=known)
        return known

    def downloads(self, scope: Scope) -> list[Download]:
        """The runner packages that GitHub has rolled out to this scope, one per platform."""
        found = self._read(protocol.list_downloads(scope), scope, list[WireDownload])
        return [download.value() for download in found]

    def deprecation(self, scope: Scope, version: str) -> Deprecation | None:
        """When GitHub ends that version; None where it does not know the version, or no such call (an Enterprise
        Server), or does not tell us: that is no verdict."""
        request = protocol.get_deprecation(scope, version)
        answer = self._answer(request, scope)
        if answer.status in _NO_VERDICT:
            return None
        return decode(request, answer, WireDeprecation).value()

    def release(self, version: str) -> Release | None:
        """A release of actions/runner, by version or ``latest``; None when there is none such on this GitHub."""
        request = protocol.runner_release(version)
        bearer = self._credentials.any_bearer()
        answer = self._send(request, bearer)
        if answer.status == 401 and bearer is not None:
            answer = self._send(request, None)
        return None if answer.status == 404 else decode(request, answer, WireRelease).value()

    def identify(self) -> Identity:
        """Whom GitHub takes us for: one call, which needs no repository."""
        return self._credentials.identify()

    def _read(self, request: Request, scope: Scope, wanted: type[T]) -> T:
        return decode(request, self._answer(request, scope), wanted)

    def _answer(self, request: Request, scope: Scope) -> Answer:
        bearer = self._credentials.bearer(scope)
        answer = self._send(request, bearer)
        if answer.status != 401:
            return answer
        # Expired or revoked early. What drew a 401 was not carried out, so even a POST may go again.
        other = self._credentials.replacement(scope, bearer)
        return answer if other is None else self._send(request, other)

    def _send(self, request: Request, bearer: str | None) -> Answer:
        return self._connected().send(request, bearer)

    def _connected(self) -> Retry:
        """The transport is made by the first call, so that commands without one do not pay for ``urllib3``."""
        if self._tries is None:
            with self._mutex:
                if self._tries is None:
                    from .retry import Retry
                    from .transport import Transport

                    self._transport = Transport(self._settings, clock=self._clock, meter=self._meter)
                    self._tries = Retry(
                        self._transport, seconds=self._settings.timeout, clock=self._clock, rng=self._rng
                    )
        return self._tries
