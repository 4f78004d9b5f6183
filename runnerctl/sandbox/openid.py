"""What an OIDC issuer tells everybody: who it is, and the keys with which its tokens are checked.

Two issuers with the same keys: a token's ``iss`` alone tells whose it is.
"""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from .web_keys import GITHUB

ENTERPRISE = "/_services/token"
"""Where an Enterprise Server's issuer is, below its own address; github.com's is a host of its own."""
_KEYS = "/.well-known/jwks"
_CONFIGURATION = "/.well-known/openid-configuration"


def add_routes(app: web.Application) -> None:
    for path in ("", ENTERPRISE):
        app.router.add_get(f"{path}{_CONFIGURATION}", configuration)
        app.router.add_get(f"{path}{_KEYS}", key_set)


async def configuration(request: web.Request) -> web.Response:
    issuer = request.app[GITHUB].server_url + request.path.removesuffix(_CONFIGURATION)
    return _json(
        {
            "issuer": issuer,
            "jwks_uri": f"{issuer}{_KEYS}",
            "subject_types_supported": ["public", "pairwise"],
            "response_types_supported": ["id_token"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid"],
        }
    )


async def key_set(request: web.Request) -> web.Response:
    return _json(request.app[GITHUB].id_tokens.public_keys())


def _json(document: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), content_type="application/json")
