"""Callers that are workflows: their OIDC tokens, and the issuer's keys, which are asked for off the loop."""

from __future__ import annotations

import asyncio

from aiohttp import web

from runnerctl.core import Actor, Policy, Services, SigningKey, caller, id_tokens, issuer_keys
from runnerctl.core.domain.errors import IssuerUnavailable, RunnerctlError, Unauthorized
from runnerctl.core.services import USER_AGENT

from ..keys import CLAIMED

_LIFE_SECONDS = 600.0
"""A key that the issuer takes back counts no longer than that."""
_REFETCH_SECONDS = 30.0
"""Anybody can show a token of an unknown key: they make us ask for new ones once in that time."""
_RETRY_SECONDS = 2.0


class WorkflowTokens:
    """For the loop's thread alone; made anew when the settings change."""

    def __init__(self, services: Services, policy: Policy) -> None:
        self._policy = policy
        self._keys = IssuerKeys(services, policy.issuer)

    async def authenticate(self, request: web.Request, token: str) -> Actor:
        """Raises ``Unauthorized`` or ``IssuerUnavailable``."""
        policy = self._policy
        key = await self._keys.find(id_tokens.key_id(token))
        claims = id_tokens.proven(token, key, issuer=policy.issuer, audience=policy.audience)
        request[CLAIMED] = caller(claims)
        actor = policy.actor(claims)
        if actor is None:
            raise Unauthorized(
                f"No OIDC rule allows {caller(claims).removeprefix('oidc:')!r}",
                hint="Ask the operator to add a rule to oidc.rules",
            )
        return actor


class IssuerKeys:
    """Kept for a while, fetched once however many wait. A fetch that fails leaves nobody in whom no key vouches for."""

    def __init__(self, services: Services, issuer: str) -> None:
        self._services = services
        self._issuer = issuer
        self._keys: dict[str, SigningKey] = {}
        self._fresh_until = self._refetch_from = self._retry_from = float("-inf")
        self._failure: RunnerctlError | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> SigningKey:
        """Raises ``Unauthorized`` for a key that the issuer does not offer."""
        now = self._services.clock.monotonic()
        if now < self._fresh_until and kid in self._keys:
            return self._keys[kid]
        if self._may_fetch(now):
            await self._fetched()
        if self._failure is not None:
            raise IssuerUnavailable(self._failure.message, hint=self._failure.hint, retry_after=_RETRY_SECONDS)
        found = self._keys.get(kid)
        if found is None:
            raise Unauthorized(
                "The workflow's token is signed by a key that the issuer does not offer",
                hint=f"If the issuer has just changed its keys, try again in {_REFETCH_SECONDS:g} s",
            )
        return found

    def _may_fetch(self, now: float) -> bool:
        if self._fetching is not None:
            return True
        if now >= self._fresh_until:
            return now >= self._retry_from
        if now < self._refetch_from:
            return False
        self._refetch_from = now + _REFETCH_SECONDS
        return True

    async def _fetched(self) -> None:
        """A caller that goes away does not end it for the others."""
        if self._fetching is None:
            self._fetching = asyncio.ensure_future(self._fetch())
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        clock, http = self._services.clock, self._services.settings.http
        try:
            # Not in a thread that requests need: an issuer may take its time.
            keys = await asyncio.to_thread(issuer_keys.fetch, self._issuer, http=http, user_agent=USER_AGENT)
        except RunnerctlError as exc:
            self._failure = exc
            self._retry_from = clock.monotonic() + _RETRY_SECONDS
        else:
            self._keys, self._failure = keys, None
            self._fresh_until = clock.monotonic() + _LIFE_SECONDS
        finally:
            self._fetching = None
