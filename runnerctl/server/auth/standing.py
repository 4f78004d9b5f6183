"""Whether who was let in may still have it: for answers that go on."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from runnerctl.core import Action, Actor, policy
from runnerctl.core.domain.errors import Forbidden, RunnerctlError, Unauthorized

from ..keys import ACTOR, AUTHENTICATOR, SERVICES

log = logging.getLogger("runnerctl.server")

_SECONDS = 4.0
"""For an issuer of tokens to be heard."""


def is_asked_for(request: web.Request) -> bool:
    """Whether somebody else may have to be asked, who may take its time: the issuer of a workflow's token."""
    actor: Actor = request[ACTOR]
    return actor.id.startswith("oidc:")


async def stands(request: web.Request, action: Action) -> bool:
    """By the same means as at first. What cannot be found out now leaves it as it is, until its token ends."""
    actor: Actor = request[ACTOR]
    identified = request.app[AUTHENTICATOR].identify(request)
    try:
        now = await (asyncio.wait_for(identified, _SECONDS) if is_asked_for(request) else identified)
        policy.check(now, action)
    except (Unauthorized, Forbidden):
        return False
    except (RunnerctlError, TimeoutError):
        log.warning("whether %s may still stream could not be found out", actor.id)
        return actor.expires_at is None or actor.expires_at > request.app[SERVICES].clock.now()
    # It may end at another time than was known then: that is for the next look.
    return (now.id, now.rights, now.limits) == (actor.id, actor.rights, actor.limits)
