"""The ids of runner groups by name, remembered for hours: asking costs a create its second call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..domain.clock import Clock
from ..domain.models import Scope
from ..redact import looks_secret
from .cache import Contents, GroupId, TokenFile
from .config import GitHubSettings

KEPT_SECONDS = 6 * 3600.0

GroupChange = Callable[[dict[str, GroupId]], dict[str, GroupId]]


class RunnerGroups:
    def __init__(self, settings: GitHubSettings, *, clock: Clock) -> None:
        self._api_url = settings.api_url
        self._file = TokenFile(settings.token_file, clock=clock)
        self._clock = clock
        self._known: dict[str, GroupId] = {}

    def get(self, scope: Scope, name: str) -> int | None:
        key, now = self._key(scope, name), self._clock.now()
        group = self._known.get(key)
        if group is None or group.known_until <= now:
            group = (self._file.read() or Contents()).groups.get(key)
        if group is None or group.known_until <= now:
            return None
        self._known[key] = group
        return group.id

    def put(self, scope: Scope, ids: dict[str, int]) -> None:
        until = self._clock.now() + KEPT_SECONDS
        found = {
            self._key(scope, name): GroupId(id=group_id, known_until=until)
            for name, group_id in ids.items()
            if not looks_secret(name)  # nobody can ask for such a group, and it need not lie here
        }
        self._known.update(found)
        self._keep(lambda groups: groups | found)

    def forget(self, scope: Scope) -> None:
        """After GitHub refused one of them: it may have been made anew under the same name."""
        prefix = self._key(scope, "")
        for key in [key for key in self._known if key.startswith(prefix)]:
            self._known.pop(key, None)
        self._keep(lambda groups: {key: group for key, group in groups.items() if not key.startswith(prefix)})

    def _key(self, scope: Scope, name: str) -> str:
        return f"{self._api_url} {scope.owner} {name}".lower()

    def _keep(self, change: GroupChange) -> None:
        with self._file.locked():
            contents = self._file.read() or Contents()
            self._file.write(replace(contents, groups=change(contents.groups)))
