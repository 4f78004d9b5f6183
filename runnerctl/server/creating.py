"""What creates have in common, be it of one runner or of many: whether one may, and the operation."""

from __future__ import annotations

from aiohttp import web

from runnerctl import core
from runnerctl.core import Action, policy
from runnerctl.core.domain.models import Runner, RunnerSpec

from .bodies import RunnerFields
from .keys import ACTOR, SERVICES


def check_may_create(request: web.Request, body: RunnerFields, *, replace: bool = False) -> None:
    """Raises ``Forbidden``, or ``InvalidRequest`` for how long it is to wait."""
    body.patience()
    actor = request[ACTOR]
    policy.check(actor, Action.RUNNER_REPLACE if replace else Action.RUNNER_CREATE)
    if body.env:
        policy.check(actor, Action.RUNNER_ENV)


def creation(
    request: web.Request, spec: RunnerSpec, body: RunnerFields, *, runner_id: str, replace: bool = False
) -> core.Operation[Runner]:
    """The life of that id; if there is one already, an earlier try of the same request has made it."""
    return core.create_runner(
        request.app[SERVICES],
        spec,
        wait=core.Wait(body.wait),
        timeout=body.patience(),
        limits=request[ACTOR].limits,
        replace_other=replace,
        by=asked_by(request),
        runner_id=runner_id,
    )


def asked_by(request: web.Request) -> str:
    """Who wants it: ``tenant NAME``, or somebody of the operator's."""
    tenant = request[ACTOR].tenant
    return "request" if tenant is None else f"tenant {tenant}"
