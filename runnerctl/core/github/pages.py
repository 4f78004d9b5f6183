"""Lists that come in pages. A page that did not change costs nothing of the rate limit (ETag, 304)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..domain.errors import GitHubRefused
from ..domain.models import Scope
from .answers import RemoteRunner, WireRunners
from .errors import decode
from .requests import Answer, Request, list_runners, next_page

MAX_PAGES = 200
"""Twice what a full runner group (10,000 runners) needs."""

Ask = Callable[[Request], Answer]


@dataclass(frozen=True, kw_only=True)
class _Page:
    etag: str | None
    runners: tuple[RemoteRunner, ...]
    next: str | None


def follow(request: Request, ask: Ask) -> Iterator[Answer]:
    """Page by page, to the last: a list cut short would read as runners that are gone."""
    for _ in range(MAX_PAGES):
        answer = ask(request)
        yield answer
        following = next_page(answer.headers.get("link"))
        if following is None:
            return
        request = replace(request, path=following, params={})
    raise GitHubRefused(f"GitHub was asked to {request.purpose} and sent more than {MAX_PAGES} pages")


class RunnerPages:
    """The runners of each scope as last listed, so that the next listing can ask for changes only."""

    def __init__(self) -> None:
        self._known: dict[Scope, dict[str, _Page]] = {}

    def listed(self, scope: Scope, ask: Ask) -> list[RemoteRunner]:
        known, seen = self._known.get(scope, {}), {}
        request = list_runners(scope)
        runners: dict[int, RemoteRunner] = {}
        while True:
            page = self._page(request, known.get(request.path), ask)
            seen[request.path] = page
            # A runner may move to the next page between two calls, and then comes twice.
            runners |= {runner.id: runner for runner in page.runners}
            if page.next is None:
                break
            if page.next in seen or len(seen) >= MAX_PAGES:
                raise GitHubRefused(f"GitHub was asked to {request.purpose} and sent pages without end")
            request = replace(request, path=page.next, params={})
        self._known[scope] = seen
        return list(runners.values())

    @staticmethod
    def _page(request: Request, known: _Page | None, ask: Ask) -> _Page:
        if known is not None and known.etag is not None:
            request = replace(request, headers={"If-None-Match": known.etag})
        answer = ask(request)
        if answer.status == 304 and known is not None:
            return known
        return _Page(
            etag=answer.headers.get("etag"),
            runners=tuple(runner.value() for runner in decode(request, answer, WireRunners).runners),
            next=next_page(answer.headers.get("link")),
        )
