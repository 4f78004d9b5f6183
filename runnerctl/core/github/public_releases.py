"""What GitHub tells everybody, without credentials."""

from __future__ import annotations

import random

from ..domain.clock import Clock
from . import requests as protocol
from .answers import Release, WireRelease
from .config import GitHubSettings
from .errors import decode
from .retry import Retry
from .transport import Transport


def release(version: str, settings: GitHubSettings, *, clock: Clock, rng: random.Random) -> Release | None:
    """A release of actions/runner, by version or ``latest``; None when there is none such on this GitHub.

    Raises any ``GitHubError``.
    """
    request = protocol.runner_release(version)
    transport = Transport(settings, clock=clock)
    try:
        answer = Retry(transport, clock=clock, rng=rng).send(request, None)
    finally:
        transport.close()
    return None if answer.status == 404 else decode(request, answer, WireRelease).value()
