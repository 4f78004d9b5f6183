"""What ``config.sh`` calls: not part of GitHub's published API."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .. import keys
from ..runners import NameTaken, group_of
from ..state import GitHub
from ..tokens import TokenKind
from ..values import Runner, Scope
from .bodies import invalid, label_list, optional, required
from .routes import Access, Answer, Ask, Refusal, Route

_EVENTS = {"register": TokenKind.REGISTRATION, "remove": TokenKind.REMOVE}


def start_registration(github: GitHub, ask: Ask) -> Answer:
    """Changes a registration or remove token into one for the calls that follow."""
    url = required(ask, "url", str)
    kind = _EVENTS.get(required(ask, "runner_event", str))
    token = ask.caller.token
    if token is None or token.kind is not kind or _scope_of(url).key != _own_scope(ask).key:
        raise Refusal(404)
    admin = github.issue(TokenKind.RUNNER_ADMIN, scope=token.scope)
    return Answer(body={"url": url, "token_schema": "OAuthAccessToken", "token": admin.value, "use_v2_flow": True})


def register_runner(github: GitHub, ask: Ask) -> Answer:
    scope = _own_scope(ask)
    if _scope_of(required(ask, "url", str)).key != scope.key:
        raise Refusal(404)
    group = group_of(scope, required(ask, "group_id", int))
    if group is None:
        raise Refusal(404)
    runner = _replaced(github, ask, scope) or _registered(github, ask, scope, group.id)
    urls = github.runner_urls
    return Answer(
        body={
            "id": runner.id,
            "name": runner.name,
            "authorization": {
                "authorization_url": urls.authorization,
                "server_url": urls.broker,
                "client_id": runner.client_id,
            },
        }
    )


def _registered(github: GitHub, ask: Ask, scope: Scope, group_id: int) -> Runner:
    try:
        return github.register(
            scope=scope,
            name=required(ask, "name", str),
            labels=label_list(ask, least=1),
            group_id=group_id,
            ephemeral=optional(ask, "ephemeral", bool, False),
            public_key=_public_key(ask),
        )
    except NameTaken:
        raise Refusal(409, "Already exists - A runner with the name *** already exists.") from None


def _replaced(github: GitHub, ask: Ask, scope: Scope) -> Runner | None:
    """The registration of that name with new labels and a new key, where ``replace`` asks for it."""
    runner = github.registry.by_name(scope, required(ask, "name", str))
    if runner is None or not optional(ask, "replace", bool, False):
        return None
    return github.update_runner(
        replace(
            runner,
            labels=label_list(ask, least=1),
            ephemeral=optional(ask, "ephemeral", bool, False),
            public_key=_public_key(ask),
        )
    )


def _public_key(ask: Ask) -> RSAPublicKey:
    try:
        return keys.from_xml(required(ask, "public_key", str))
    except ValueError as exc:
        raise invalid('"public_key" is not an RSA public key.') from exc


def _own_scope(ask: Ask) -> Scope:
    if ask.caller.scope is None:
        raise Refusal(404)
    return ask.caller.scope


def _scope_of(url: str) -> Scope:
    """One part of the path is an organization, two are a repository."""
    return Scope.parse(urlsplit(url).path.strip("/"))


_DOCS = "actions/self-hosted-runners"

ROUTES = (
    Route(
        method="POST",
        path="/actions/runner-registration",
        handler=start_registration,
        docs=_DOCS,
        access=Access.REMOTE_AUTH,
    ),
    Route(
        method="POST",
        path="/actions/runners/register",
        handler=register_runner,
        docs=_DOCS,
        access=Access.RUNNER_ADMIN,
    ),
)
