"""What a REST route is: who may call it, what it is asked, what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlencode

from ..callers import Caller
from ..runner_api.schemas import NoFields, Shape
from ..state import GitHub
from ..tokens import TokenKind
from ..values import Scope

MAX_PER_PAGE = 100
DEFAULT_PER_PAGE = 30


class Refusal(Exception):
    """An error in GitHub's form."""

    def __init__(
        self, status: int, message: str | None = None, *, headers: Mapping[str, str] | None = None, text: bool = False
    ) -> None:
        self.status = status
        self.message = HTTPStatus(status).phrase if message is None else message
        self.headers = headers or {}
        self.text = text
        """Sent as text and not as JSON."""
        super().__init__(self.message)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One call, checked and taken apart."""

    caller: Caller
    parts: Mapping[str, str]
    """The variable parts of the path."""
    query: Mapping[str, str]
    body: Mapping[str, Any]
    url: str
    """Absolute, without the query."""
    headers: Mapping[str, str]

    @property
    def scope(self) -> Scope:
        return scope_of(self.parts)

    def number(self, part: str) -> int:
        """An id in the path; anything but digits is no such thing."""
        text = self.parts[part]
        if not (text.isascii() and text.isdigit()):
            raise Refusal(404)
        return int(text)


def scope_of(parts: Mapping[str, str]) -> Scope:
    return Scope(owner=parts["org"]) if "org" in parts else Scope(owner=parts["owner"], repo=parts["repo"])


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[GitHub, Ask], Answer]


class Access(StrEnum):
    ANYONE = "anyone"
    APP = "app"
    """The App itself, by its JWT."""
    GRANTED = "granted"
    """Whoever has the route's permission."""
    REMOTE_AUTH = "remote-auth"
    """``config.sh`` with a registration or remove token."""


@dataclass(frozen=True, kw_only=True)
class Route:
    method: str
    path: str
    handler: Handler
    docs: str
    """The page of GitHub's reference, as errors name it."""
    access: Access = Access.GRANTED
    permission: str | None = None
    level: Literal["read", "write"] = "read"
    for_config: TokenKind | None = None
    """Also for ``config.sh`` with such a token."""

    config_query: type[Shape] = NoFields
    """The query with which ``config.sh`` calls it."""

    @property
    def accepted_permissions(self) -> str:
        return f"{self.permission}={self.level}" if self.permission else "allows_permissionless_access=true"

    @property
    def private(self) -> bool:
        """Not part of GitHub's published API."""
        return self.access is Access.REMOTE_AUTH


def in_both_scopes(route: Route) -> tuple[Route, Route]:
    """The same route below a repository and below an organization, with the permission that each asks for."""
    return (
        replace(route, path=f"/repos/{{owner}}/{{repo}}{route.path}", permission="administration"),
        replace(route, path=f"/orgs/{{org}}{route.path}", permission="organization_self_hosted_runners"),
    )


def paged(ask: Ask, items: Sequence[Any]) -> tuple[Sequence[Any], dict[str, str]]:
    """The page that was asked for, and the Link header to the others."""
    size = min(max(_positive(ask, "per_page", DEFAULT_PER_PAGE), 1), MAX_PER_PAGE)
    page = max(_positive(ask, "page", 1), 1)
    last = max(1, -(-len(items) // size))
    relations = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    if page >= last:
        del relations["next"], relations["last"]
    if page == 1:
        del relations["prev"], relations["first"]
    links = ", ".join(f'<{_with_page(ask, number)}>; rel="{name}"' for name, number in relations.items())
    start = (page - 1) * size
    return items[start : start + size], {"Link": links} if links else {}


def _positive(ask: Ask, name: str, default: int) -> int:
    text = ask.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else default


def _with_page(ask: Ask, page: int) -> str:
    return f"{ask.url}?{urlencode({**ask.query, 'page': page})}"
