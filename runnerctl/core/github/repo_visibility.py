"""Which repositories are public, remembered for an hour by all processes: asking costs a create its second call."""

from __future__ import annotations

from dataclasses import replace

from ..domain.clock import Clock
from ..domain.models import Scope
from .cache import Contents, TokenFile, Visibility
from .config import GitHubSettings


class RepoVisibility:
    def __init__(self, settings: GitHubSettings, *, clock: Clock) -> None:
        self._api_url = settings.api_url
        self._file = TokenFile(settings.token_file, clock=clock)
        self._clock = clock
        self._known: dict[str, Visibility] = {}

    def get(self, scope: Scope, *, max_age: float) -> bool | None:
        """None where GitHub has not said it within ``max_age`` seconds."""
        key, now = self._key(scope), self._clock.now()
        seen = self._known.get(key)
        if seen is None or not seen.fresh(now, max_age):
            seen = (self._file.read() or Contents()).repositories.get(key)
        if seen is None or not seen.fresh(now, max_age):
            return None
        self._known[key] = seen
        return seen.public

    def put(self, scope: Scope, *, public: bool) -> None:
        seen = {self._key(scope): Visibility(public=public, asked_at=self._clock.now())}
        self._known |= seen
        with self._file.locked():
            contents = self._file.read() or Contents()
            self._file.write(replace(contents, repositories=contents.repositories | seen))

    def _key(self, scope: Scope) -> str:
        return f"{self._api_url} {scope}".lower()
