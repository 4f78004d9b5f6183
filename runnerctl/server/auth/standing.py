"""Whether who was let in may still have it: for answers that go on."""

from __future__ import annotations

import logging

from aiohttp import web

from runnerctl.core import Action, Actor, policy
from runnerctl.core.domain.errors import Forbidden, RunnerctlError, Unauthorized

from ..keys import ACTOR, AUTHENTICATOR, SERVICES

log = logging.getLogger("runnerctl.server")


async def stands(request: web.Request, action: Action) -> bool:
    """By the same means as at first. What cannot be found out now leaves it as it is, until its token ends."""
    actor: Actor = request[ACTOR]
    if actor.expires_at is not None and actor.expires_at <= request.app[SERVICES].clock.now():
        return False
    try:
        now = await request.app[AUTHENTICATOR].identify(request)
        policy.check(now, action)
    except (Unauthorized, Forbidden):
        return False
    except RunnerctlError as exc:
        log.warning("whether %s may still stream could not be found out: %s", actor.id, exc.message)
        return True
    return now == actor
