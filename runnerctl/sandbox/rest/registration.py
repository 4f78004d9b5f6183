"""What ``config.sh`` calls: not part of GitHub's published API (``RunnerDotcomServer.cs`` of actions/runner)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .. import keys
from ..runner_api.requests import check_json_type, shaped
from ..runner_api.schemas import Register, RegistrationEvent, given_or
from ..runners import NameTaken, distinct, group_of
from ..state import GitHub
from ..tokens import TokenKind, new_value
from ..values import Runner, Scope
from .bodies import invalid
from .routes import Access, Answer, Ask, Refusal, Route

T = TypeVar("T")
_USER_AGENT = re.compile(r"GitHubActionsRunner-[a-z0-9-]+/(\d+\.\d+\.\d+)", re.ASCII)
_EVENTS = {"register": TokenKind.REGISTRATION, "remove": TokenKind.REMOVE}


def start_registration(github: GitHub, ask: Ask) -> Answer:
    """Whether this registration or remove token is good there. config.sh goes on with the very same token."""
    asked = _asked(github, ask, RegistrationEvent)
    if asked.runner_event == "register":
        _check_version(github, _version_of(ask.headers.get("User-Agent", "")))
    token = ask.caller.token
    if token is None or token.kind is not _EVENTS[asked.runner_event] or _scope_of(asked.url).key != _scope(ask).key:
        raise Refusal(404)
    body = {
        # Of the same authority as GitHub, and the broker's, else config.sh asks it for its connection data.
        "url": github.runner_urls.broker,
        "token_schema": "OAuthAccessToken",
        # For the flow before the broker's.
        "token": new_value(TokenKind.RUNNER),
        "use_v2_flow": True,
    }
    return Answer(body=body)


def register_runner(github: GitHub, ask: Ask) -> Answer:
    asked = _asked(github, ask, Register)
    scope = _scope(ask)
    _check_version(github, given_or(asked.version, ""))
    if ask.caller.token is None or ask.caller.token.kind is not TokenKind.REGISTRATION:
        raise Refusal(404)
    if _scope_of(asked.url).key != scope.key or group_of(scope, asked.group_id) is None:
        raise Refusal(404)
    key = _public_key(asked.public_key)
    runner = _replaced(github, scope, asked, key) or _registered(github, scope, asked, key)
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


def _check_version(github: GitHub, version: str) -> None:
    """GitHub's words, as people have reported them; its runner prints them and ends."""
    minimum = github.knobs.registration_minimum
    if not github.version_ends.may_register(version, minimum=minimum, now=github.now()):
        raise Refusal(
            404,
            "Your runner version is out of date and can no longer register with GitHub.\n"
            f"The minimum runner version required to register with GitHub Actions is now {minimum}.",
        )


def _version_of(user_agent: str) -> str:
    found = _USER_AGENT.match(user_agent)
    return found[1] if found else ""


def _asked(github: GitHub, ask: Ask, shape: type[T]) -> T:
    if github.strict:
        check_json_type(ask.headers)
    return shaped(ask.body, shape, strict=github.strict)


def _registered(github: GitHub, scope: Scope, asked: Register, key: RSAPublicKey) -> Runner:
    try:
        return github.register(
            scope=scope,
            name=asked.name,
            labels=[label.name for label in asked.labels],
            group_id=asked.group_id,
            ephemeral=given_or(asked.ephemeral, False),
            public_key=key,
        )
    except NameTaken:
        raise Refusal(409, "Already exists - A runner with the name *** already exists.") from None


def _replaced(github: GitHub, scope: Scope, asked: Register, key: RSAPublicKey) -> Runner | None:
    """The registration of that name with new labels and a new key, where ``replace`` asks for it."""
    runner = github.registry.by_name(scope, asked.name)
    if runner is None or asked.replace is not True or asked.runner_id != runner.id:
        return None
    labels = distinct(label.name for label in asked.labels)
    return github.update_runner(
        replace(runner, labels=labels, ephemeral=given_or(asked.ephemeral, False), public_key=key)
    )


def _public_key(text: str) -> RSAPublicKey:
    try:
        return keys.from_xml(text)
    except ValueError as exc:
        raise invalid('"public_key" is not an RSA public key.') from exc


def _scope(ask: Ask) -> Scope:
    """Where the caller's token is good."""
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
        access=Access.REMOTE_AUTH,
    ),
)
