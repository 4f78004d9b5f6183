"""Which repositories are named in metrics, if any are: so many and no more, whatever is created."""

from __future__ import annotations

MOST = 200
OTHERS = "others"


class Repositories:
    """By where runners are registered, and never by what a job says of itself."""

    def __init__(self) -> None:
        self._named: set[str] = set()

    def name(self, scope: str) -> str:
        scope = scope.lower()  # GitHub's names do not regard case
        if scope not in self._named and len(self._named) >= MOST:
            return OTHERS
        self._named.add(scope)
        return scope
