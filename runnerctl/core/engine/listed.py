"""The documents of many runners at once.

Processes are seen each time. A document is made anew only where its row, what was seen, or what is told of its version
has changed: in a long list most have not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..domain import documents
from ..domain.states import RunnerState
from .status import describe, observe

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..domain.document_types import RunnerDocument
    from ..domain.models import Job, Runner
    from ..domain.observation import Observation
    from ..domain.version_end import VersionEnd
    from ..services import Services

_MOST_KEPT = 8192


class _Version(NamedTuple):
    """When a version ends, and what is told of that now."""

    end: VersionEnd | None
    days_left: int | None = None
    doubt: str | None = None


class _Kept(NamedTuple):
    """A document, and what it was made of."""

    document: RunnerDocument
    changes: int
    seen: tuple[object, ...]
    last_job: Job | None
    version: _Version
    backend: Backend

    def holds(
        self, runner: Runner, seen: Observation, last_job: Job | None, version: _Version, backend: Backend
    ) -> bool:
        return (
            self.changes == runner.changes
            # When the look began, which is the last of it, is told to nobody.
            and self.seen == seen[:-1]
            and self.last_job == last_job
            and self.version == version
            and self.backend is backend  # other settings make another one
        )


class ListedRunners:
    """Safe for threads: whoever finds nothing makes it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._kept: dict[str, _Kept] = {}

    def documents(self, runners: Sequence[Runner]) -> list[RunnerDocument]:
        """In their order. A document may be given out again: nobody changes it."""
        if len(self._kept) > _MOST_KEPT:
            self._kept.clear()
        page = _Page(self._services, runners)
        return [self._document(page, runner) for runner in runners]

    def _document(self, page: _Page, runner: Runner) -> RunnerDocument:
        services, last_job = self._services, page.last_jobs.get(runner.id)
        if not runner.live:
            self._kept.pop(runner.id, None)
            return documents.listed_document(runner, None, last_job)
        if services.whose.refusal is not None:
            return documents.listed_document(runner, observe(services, runner, last_jobs=page.last_jobs), last_job)
        backend, handle = services.backends.reach(runner)
        seen, version = backend.observe(handle), page.version(runner, backend)
        held_back = () if seen.running else page.held_back(runner)
        kept = self._kept.get(runner.id)
        if kept is not None and not held_back and kept.holds(runner, seen, last_job, version, backend):
            return _with_age(kept.document, runner, page.now)
        status = describe(services, runner, seen, last_jobs=page.last_jobs, held_back=held_back)
        document = documents.listed_document(runner, status, last_job)
        if seen.running is not None and not held_back and not _grows_old(runner):
            self._kept[runner.id] = _Kept(document, runner.changes, seen[:-1], last_job, version, backend)
        return document


class _Page:
    """What is read once for all that are on it."""

    def __init__(self, services: Services, runners: Sequence[Runner]) -> None:
        self._services = services
        self.now = services.clock.now()
        self.last_jobs = services.store.last_jobs([runner.id for runner in runners])
        self._held_back: dict[str, Sequence[str]] = {}
        self._versions: dict[tuple[str, str, str], _Version] = {}

    def held_back(self, runner: Runner) -> Sequence[str]:
        """What is held back in its scope at the moment."""
        scope = runner.scope.text
        if scope not in self._held_back:
            from .github_side import breaker

            self._held_back[scope] = breaker.held_back(self._services, runner.scope)
        return self._held_back[scope]

    def version(self, runner: Runner, backend: Backend) -> _Version:
        key = (runner.scope.text, runner.version, backend.name)
        if key not in self._versions:
            self._versions[key] = _version(self._services, runner, self.now)
        return self._versions[key]


def _version(services: Services, runner: Runner, now: float) -> _Version:
    from ..packages import version_policy
    from .github_side import version_ends

    end = version_ends.shown_end(services, runner)
    return _Version(None) if end is None else _Version(end, end.days_left(now), version_policy.doubt(end, now))


def _grows_old(runner: Runner) -> bool:
    """What is told of it names a time that passes."""
    rests = runner.state is RunnerState.STOPPED and not runner.ephemeral
    return rests or runner.offline_since is not None or runner.exposed_at is not None


def _with_age(document: RunnerDocument, runner: Runner, now: float) -> RunnerDocument:
    """How long ago GitHub's word was is told in tenths of a second."""
    if document["github"] is None:
        return document
    return {**document, "github": documents.github_document(runner, now)}
