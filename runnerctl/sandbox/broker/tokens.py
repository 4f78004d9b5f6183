"""The token service: a runner proves by its key who it is, and gets an access token."""

from __future__ import annotations

from typing import Any, TypeVar

import jwt
import msgspec
from aiohttp import web

from ..runner_api.requests import credentials_of, no_query, shaped
from ..runner_api.schemas import AssertionClaims, AssertionHeader, TokenForm
from ..runner_api.strict import Malformed
from ..state import GitHub
from ..tokens import TokenKind
from ..values import Runner
from ..web_keys import GITHUB

T = TypeVar("T")
_ASSERTION_SECONDS = 300
_LEEWAY_SECONDS = 300


def runner_id_of(request: web.Request) -> int:
    """Whose access token it is. The registration may be gone meanwhile."""
    github = request.app[GITHUB]
    token = github.tokens.find(credentials_of(request, "Bearer"), now=github.now())
    if token is None or token.runner_id is None:
        raise web.HTTPUnauthorized
    return token.runner_id


async def create_token(request: web.Request) -> web.Response:
    github = request.app[GITHUB]
    no_query(request)
    if github.strict and request.headers.get("Content-Type") != "application/x-www-form-urlencoded":
        raise Malformed(f"Content-Type is {request.headers.get('Content-Type')!r}, not that of a form")
    form = shaped(dict(await request.post()), TokenForm, strict=github.strict)
    runner = _runner_of_assertion(github, form.client_assertion)
    if runner is None:
        return web.json_response({"error": "invalid_client"}, status=400)
    # It never expires here: setting the clock is meant for the callers of the REST API.
    token = github.issue(TokenKind.RUNNER, runner_id=runner.id, seconds=float("inf"))
    return web.json_response(
        {"access_token": token.value, "expires_in": int(github.settings.token_seconds), "token_type": "JWT"}
    )


def _runner_of_assertion(github: GitHub, assertion: str) -> Runner | None:
    """The runner that signed this, for this server and just now."""
    header, claims = _taken_apart(assertion)
    if github.strict:
        _check_shape(header, claims)
    runner = github.runner_of_client(str(claims.get("sub")))
    if runner is None or runner.public_key is None:
        return None
    algorithm = "PS256" if runner.fips else "RS256"
    if github.strict and header["alg"] != algorithm:
        raise Malformed(f"The client assertion is signed with {header['alg']}, not {algorithm}")
    try:
        jwt.decode(
            assertion,
            runner.public_key,
            algorithms=[algorithm],
            audience=github.runner_urls.authorization,
            issuer=runner.client_id,
            leeway=abs(github.knobs.clock_offset) + _LEEWAY_SECONDS,
            options={"require": ["exp", "nbf", "jti", "sub"]},
        )
    except jwt.PyJWTError:
        return None
    return runner


def _taken_apart(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        parts = jwt.PyJWT().decode_complete(assertion, options={"verify_signature": False})
    except jwt.PyJWTError as exc:
        raise Malformed(f"The client assertion is not a JWT: {exc}") from exc
    return parts["header"], parts["payload"]


def _check_shape(header: dict[str, Any], claims: dict[str, Any]) -> None:
    """The real runner has exactly these, no ``iat`` among them, and a life of five minutes."""
    shaped(header, AssertionHeader, strict=True)
    checked = shaped(claims, AssertionClaims, strict=True)
    if checked.iss != checked.sub or checked.exp - checked.nbf != _ASSERTION_SECONDS:
        raise Malformed(f"The client assertion claims {msgspec.json.encode(claims).decode()}")
