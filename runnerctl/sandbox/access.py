"""Who may do what: the rule that stands between a caller and a route."""

from __future__ import annotations

from .accounts import MISSING, NO_PERMISSION, exists
from .callers import Caller, CallerKind
from .rest.routes import Access, Refusal, Route
from .state import GitHub
from .values import Scope

_LEVELS = {"read": 1, "write": 2}


def check(github: GitHub, caller: Caller, route: Route, scope: Scope | None) -> None:
    """Raises Refusal as GitHub would."""
    match route.access:
        case Access.ANYONE:
            return
        case Access.APP:
            if caller.kind is not CallerKind.APP:
                raise Refusal(401, "A JSON web token could not be decoded")
        case Access.REMOTE_AUTH:
            if caller.kind is not CallerKind.REMOTE_AUTH:
                raise Refusal(404)
            _check_config(caller, scope)
        case Access.GRANTED:
            _check_grant(github, caller, route, scope)


def _check_grant(github: GitHub, caller: Caller, route: Route, scope: Scope | None) -> None:
    match caller.kind:
        case CallerKind.INSTALLATION:
            _check_installation(github, caller, route, scope)
        case CallerKind.USER:
            _check_user(route, scope)
        case CallerKind.REMOTE_AUTH if caller.token and caller.token.kind is route.for_config:
            _check_config(caller, scope)
        case CallerKind.REMOTE_AUTH:
            raise Refusal(404)
        case CallerKind.ANONYMOUS:
            raise Refusal(401, "Requires authentication")
        case _:
            raise Refusal(401, "Bad credentials")


def _check_installation(github: GitHub, caller: Caller, route: Route, scope: Scope | None) -> None:
    if scope is not None:
        if not exists(scope) or scope.owner.lower() != (caller.owner or "").lower():
            raise Refusal(404)
        if github.accounts.installation(scope.owner) is None:
            raise Refusal(404)
    granted = caller.permissions.get(route.permission or "", "")
    hidden = scope and scope.repo and caller.repositories is not None and scope.repo.lower() not in caller.repositories
    if hidden or _LEVELS.get(granted, 0) < _LEVELS[route.level]:
        raise Refusal(403, "Resource not accessible by integration")


def _check_user(route: Route, scope: Scope | None) -> None:
    if scope is not None and (scope.repo or "").lower() == MISSING:
        raise Refusal(404)
    if scope is not None and scope.owner.lower() == NO_PERMISSION and route.permission != "metadata":
        what = "Repository" if scope.repo else "organization"
        raise Refusal(403, f"Must have admin rights to {what}.")


def _check_config(caller: Caller, scope: Scope | None) -> None:
    """config.sh may act in the one scope that its token was made for."""
    if scope is not None and (caller.scope is None or scope.key != caller.scope.key):
        raise Refusal(404)
